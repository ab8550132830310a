package wire_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/probe/wire"
	"github.com/gaikei/gaikei/probe/wire/internal/pb"
)

var update = flag.Bool("update", false, "write golden files that do not exist")

// Every message that was ever written must be read for ever: files of a version are added, never changed. The
// .txtpb beside each is the same message for people, and is parsed, so it cannot tell something else.
func TestGolden(t *testing.T) {
	s := sample()
	for name, want := range map[string]*probe.Batch{
		"v1-epochs":    {Epochs: s.Epochs},
		"v1-results":   {Results: s.Results},
		"v1-missed":    {Missed: s.Missed},
		"v1-all":       s,
		"v1-announced": {Results: announced()},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("testdata", name)
			msg := mustMarshal(t, want)[0]
			if *update {
				writeGolden(t, path, msg)
			}
			golden, err := os.ReadFile(path + ".bin")
			if err != nil {
				t.Fatal(err)
			}
			diff(t, golden, msg)
			got, err := wire.Unmarshal(golden)
			if err != nil {
				t.Fatal(err)
			}
			diff(t, want, got)
			readable(t, path+".txtpb", golden)
		})
	}
}

func writeGolden(t *testing.T, path string, msg []byte) {
	t.Helper()
	if _, err := os.Stat(path + ".bin"); err == nil {
		return
	}
	var m pb.Batch
	if err := proto.Unmarshal(msg[1:], &m); err != nil {
		t.Fatal(err)
	}
	text, err := prototext.MarshalOptions{Multiline: true}.Marshal(&m)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.ReplaceAll(text, []byte(":  "), []byte(": ")) // prototext varies its spaces at random
	if err := os.WriteFile(path+".bin", msg, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".txtpb", text, 0o644); err != nil {
		t.Fatal(err)
	}
}

func readable(t *testing.T, path string, msg []byte) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var want, got pb.Batch
	if err := prototext.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	if err := proto.Unmarshal(msg[1:], &got); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(&want, &got) {
		t.Errorf("%s tells something else than the message (-want +got):\n-%v\n+%v", path, &want, &got)
	}
}
