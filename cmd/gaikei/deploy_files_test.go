package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// A composition is what is used of the format of compose files; anything else in one is refused.
type composition struct {
	Name     string                    `yaml:"name"`
	Common   composed                  `yaml:"x-gaikei"`
	Services map[string]composed       `yaml:"services"`
	Volumes  map[string]map[string]any `yaml:"volumes"`
}

type composed struct {
	Image       string            `yaml:"image"`
	Build       map[string]string `yaml:"build"`
	User        string            `yaml:"user"`
	ReadOnly    bool              `yaml:"read_only"`
	CapDrop     []string          `yaml:"cap_drop"`
	Security    []string          `yaml:"security_opt"`
	Restart     string            `yaml:"restart"`
	Grace       string            `yaml:"stop_grace_period"`
	Command     string            `yaml:"command"`
	Entrypoint  []string          `yaml:"entrypoint"`
	Ports       []string          `yaml:"ports"`
	DependsOn   []string          `yaml:"depends_on"`
	Profiles    []string          `yaml:"profiles"`
	Environment map[string]string `yaml:"environment"`
	Volumes     []string          `yaml:"volumes"`
}

// TestCompose holds the composition against the program: commands, ports, volumes and who it runs as.
func TestCompose(t *testing.T) {
	var c composition
	decodeAll(t, "../../deploy/compose/compose.yaml", func(d *yaml.Decoder) error { return d.Decode(&c) })
	commands := 0
	for name, s := range c.Services {
		for _, v := range s.Volumes {
			source, _, _ := strings.Cut(v, ":")
			if _, known := c.Volumes[source]; !known && !strings.HasPrefix(source, "./") {
				t.Errorf("%s: volume %s is not among the volumes", name, source)
			}
		}
		if s.Image != "gaikei" {
			continue
		}
		commands++
		args := strings.Fields(s.Command)
		if len(args) == 0 {
			args = s.Entrypoint[1:]
		}
		known(t, name, args)
		if s.User != "65532:65532" || !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) {
			t.Errorf("%s: runs as %q, read only %v, drops %v; want as 65532:65532, read only, without capabilities", name, s.User, s.ReadOnly, s.CapDrop)
		}
		for _, p := range s.Ports {
			if inner := p[strings.LastIndex(p, ":")+1:]; !slices.Contains(listenedPorts(args), inner) {
				t.Errorf("%s: port %s is published, listened on are %v", name, inner, listenedPorts(args))
			}
		}
	}
	if commands != 5 {
		t.Errorf("found %d services that run gaikei, want 5", commands)
	}
}

// A manifest is what is used of the kinds of Kubernetes; anything else in one is refused.
type manifest struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	Metadata   struct {
		Name, Namespace string
	} `yaml:"metadata"`
	Spec struct {
		Type             string            `yaml:"type"`
		PublishNotReady  bool              `yaml:"publishNotReadyAddresses"`
		Ports            []servicePort     `yaml:"ports"`
		ServiceName      string            `yaml:"serviceName"`
		Replicas         int               `yaml:"replicas"`
		Strategy         map[string]string `yaml:"strategy"`
		Selector         map[string]any    `yaml:"selector"`
		Template         podTemplate       `yaml:"template"`
		ClaimTemplates   []manifest        `yaml:"volumeClaimTemplates"`
		AccessModes      []string          `yaml:"accessModes"`
		Resources        map[string]any    `yaml:"resources"`
		StorageClassName string            `yaml:"storageClassName"`
	} `yaml:"spec"`
}

type servicePort struct {
	Name       string `yaml:"name"`
	Port       int    `yaml:"port"`
	TargetPort string `yaml:"targetPort"`
}

type podTemplate struct {
	Metadata map[string]any `yaml:"metadata"`
	Spec     struct {
		Token           bool           `yaml:"automountServiceAccountToken"`
		Grace           int            `yaml:"terminationGracePeriodSeconds"`
		SecurityContext podSecurity    `yaml:"securityContext"`
		Containers      []podContainer `yaml:"containers"`
		Volumes         []podVolume    `yaml:"volumes"`
	} `yaml:"spec"`
}

type podSecurity struct {
	NonRoot bool              `yaml:"runAsNonRoot"`
	User    int               `yaml:"runAsUser"`
	Group   int               `yaml:"runAsGroup"`
	FSGroup int               `yaml:"fsGroup"`
	Seccomp map[string]string `yaml:"seccompProfile"`
}

type podContainer struct {
	Name     string           `yaml:"name"`
	Image    string           `yaml:"image"`
	Args     []string         `yaml:"args"`
	Env      []map[string]any `yaml:"env"`
	EnvFrom  []map[string]any `yaml:"envFrom"`
	Ports    []podPort        `yaml:"ports"`
	Liveness podProbe         `yaml:"livenessProbe"`
	Ready    podProbe         `yaml:"readinessProbe"`
	Security struct {
		Escalation   bool                `yaml:"allowPrivilegeEscalation"`
		ReadOnlyRoot bool                `yaml:"readOnlyRootFilesystem"`
		Capabilities map[string][]string `yaml:"capabilities"`
	} `yaml:"securityContext"`
	Mounts []podMount `yaml:"volumeMounts"`
}

type podPort struct {
	Name string `yaml:"name"`
	Port int    `yaml:"containerPort"`
}

type podProbe struct {
	Get struct {
		Path   string `yaml:"path"`
		Port   string `yaml:"port"`
		Scheme string `yaml:"scheme"`
	} `yaml:"httpGet"`
	InitialDelay int `yaml:"initialDelaySeconds"`
	Failures     int `yaml:"failureThreshold"`
}

type podMount struct {
	Name     string `yaml:"name"`
	Path     string `yaml:"mountPath"`
	ReadOnly bool   `yaml:"readOnly"`
}

type podVolume struct {
	Name      string            `yaml:"name"`
	ConfigMap map[string]string `yaml:"configMap"`
	Secret    map[string]any    `yaml:"secret"`
	Claim     map[string]string `yaml:"persistentVolumeClaim"`
}

// TestKubernetes holds the manifests against the program and against each other: flags, ports, probes, mounts and users.
func TestKubernetes(t *testing.T) {
	var services, pods []manifest
	for _, name := range []string{"aggregator", "prober"} {
		decodeAll(t, "../../deploy/kubernetes/"+name+".yaml", func(d *yaml.Decoder) error {
			var m manifest
			err := d.Decode(&m)
			switch m.Kind {
			case "Service":
				services = append(services, m)
			case "StatefulSet", "Deployment":
				pods = append(pods, m)
			}
			return err
		})
	}
	if len(services) != 2 || len(pods) != 2 {
		t.Fatalf("found %d services and %d kinds of pods, want 2 of each", len(services), len(pods))
	}
	named := map[string]bool{}
	for _, m := range pods {
		spec := m.Spec.Template.Spec
		if s := spec.SecurityContext; !s.NonRoot || s.User != 65532 || s.FSGroup != 65532 || m.Spec.Replicas != 1 {
			t.Errorf("%s: %+v with %d replicas, want one that runs as 65532", m.Metadata.Name, s, m.Spec.Replicas)
		}
		volumes := map[string]bool{}
		for _, v := range spec.Volumes {
			volumes[v.Name] = true
		}
		for _, v := range m.Spec.ClaimTemplates {
			volumes[v.Metadata.Name] = true
		}
		for _, c := range spec.Containers {
			fits(t, m.Metadata.Name, c, volumes)
			for _, p := range c.Ports {
				named[p.Name] = true
			}
		}
	}
	for _, s := range services {
		for _, p := range s.Spec.Ports {
			if !named[p.TargetPort] {
				t.Errorf("service %s is for port %q, which no container has", s.Metadata.Name, p.TargetPort)
			}
		}
	}
}

// fits holds a container against the program and its pod.
func fits(t *testing.T, name string, c podContainer, volumes map[string]bool) {
	t.Helper()
	known(t, name, c.Args)
	listened, ports := listenedPorts(c.Args), map[string]string{}
	for _, p := range c.Ports {
		ports[p.Name] = strconv.Itoa(p.Port)
		if !slices.Contains(listened, ports[p.Name]) {
			t.Errorf("%s: has port %d, listened on are %v", name, p.Port, listened)
		}
	}
	for path, probe := range map[string]podProbe{"/healthz": c.Liveness, "/readyz": c.Ready} {
		if probe.Get.Path != path || ports[probe.Get.Port] != listened[0] {
			t.Errorf("%s: a probe asks for %s on port %q, want %s on that of --listen", name, probe.Get.Path, probe.Get.Port, path)
		}
		if withTLS := slices.ContainsFunc(c.Args, func(a string) bool { return strings.HasPrefix(a, "--web-config=") }); withTLS != (probe.Get.Scheme == "HTTPS") {
			t.Errorf("%s: a probe asks with scheme %q, and --web-config is given: %v", name, probe.Get.Scheme, withTLS)
		}
	}
	if s := c.Security; s.Escalation || !s.ReadOnlyRoot || !slices.Equal(s.Capabilities["drop"], []string{"ALL"}) {
		t.Errorf("%s: %+v, want nothing that is not needed", name, s)
	}
	var paths []string
	for _, m := range c.Mounts {
		paths = append(paths, m.Path)
		if !volumes[m.Name] {
			t.Errorf("%s: mounts %s, which is no volume", name, m.Name)
		}
	}
	for _, file := range regexp.MustCompile(`=(/[^/ ]+(/[^/ ]+)?)`).FindAllStringSubmatch(strings.Join(c.Args, " "), -1) {
		if !slices.ContainsFunc(paths, func(p string) bool { return file[1] == p || strings.HasPrefix(file[1], p) }) {
			t.Errorf("%s: %s is below none of the mounts %v", name, file[1], paths)
		}
	}
}

// TestContainerfile: the image runs the program, as nobody, and opens the ports that the files beside it use.
func TestContainerfile(t *testing.T) {
	text, err := os.ReadFile("../../deploy/container/Containerfile")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"FROM scratch", "USER 65532:65532", `ENTRYPOINT ["/usr/local/bin/gaikei"]`, "COPY --from=build /out/gaikei /usr/local/bin/gaikei",
		"go build -trimpath", "./cmd/gaikei", "EXPOSE 8080 4222 4223 8081",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the file lacks %q", want)
		}
	}
	module, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(string(module))
	if !strings.Contains(string(text), "golang:"+version[1]+" AS build") {
		t.Errorf("the image is not built with Go %s, which go.mod wants", version[1])
	}
}

// decodeAll decodes all documents of a file; next is given a decoder that refuses keys that are not known.
func decodeAll(t *testing.T, path string, next func(*yaml.Decoder) error) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	for {
		switch err := next(d); {
		case errors.Is(err, io.EOF):
			return
		case err != nil:
			t.Fatalf("%s: %v", path, err)
		}
	}
}

// known requires that a command and its flags are there.
func known(t *testing.T, name string, args []string) {
	t.Helper()
	if code, out, errs := gaikei(t, append(slices.Clone(args), "--help")...); code != exitFine || !strings.Contains(out, "gaikei "+args[0]) {
		t.Errorf("%s: gaikei %s: exit code %d\n%s", name, strings.Join(args, " "), code, errs)
	}
}

// listenedPorts are those that a command listens on, that of --listen first.
func listenedPorts(args []string) []string {
	var ports []string
	for _, flag := range []string{"listen", "accept", "accept-websocket"} {
		if m := regexp.MustCompile(`--` + flag + `[= ]\S*:(\d+)`).FindStringSubmatch(strings.Join(args, " ")); m != nil {
			ports = append(ports, m[1])
		}
	}
	return ports
}
