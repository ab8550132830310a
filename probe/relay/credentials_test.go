package relay

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestCredentialsFile(t *testing.T) {
	authority, err := openCA(t.TempDir(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	urls := []string{"tls://a.example.com:4222", "tls://b.example.com:4222"}
	for _, pem := range [][]byte{nil, authority.pem, append(bytes.Clone(authority.pem), authority.pem...)} {
		want, err := NewCredentials("eu.west", "p-1", urls, pem)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "p-1.creds")
		if err := want.WriteFile(path); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("got %v, %v, want mode 0600", info, err)
		}
		got, err := ReadCredentials(path)
		if err != nil {
			t.Fatal(err)
		}
		if got.String() != want.String() || got.PublicKey() != want.PublicKey() || !bytes.Equal(bytes.TrimSpace(got.CA), bytes.TrimSpace(pem)) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	centre, err := NewCentreCredentials(urls, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := centre.Text()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ParseCredentials(text); err != nil || got.Region != "" || got.PublicKey() != centre.PublicKey() {
		t.Errorf("got %v, %v, want %v", got, err, centre)
	}
	if _, err := ReadCredentials("/nowhere/x"); err == nil || !strings.Contains(err.Error(), "/nowhere/x") {
		t.Errorf("got error %v, want one that names the file", err)
	}
}

// What is wrong with a file is told with its line, and never the secret.
func TestCredentialsErrors(t *testing.T) {
	c, err := NewCredentials("tokyo", "p", []string{"tls://c.example.com:4222"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := c.Text()
	if err != nil {
		t.Fatal(err)
	}
	good := string(text)
	seed, err := c.key.pair().Seed()
	if err != nil {
		t.Fatal(err)
	}
	secret := string(seed)
	for name, one := range map[string]struct{ text, want string }{
		"empty":         {"", "line 1"},
		"another file":  {"-----BEGIN CERTIFICATE-----", "line 1"},
		"no colon":      {strings.Replace(good, "seed: ", "seed ", 1), "line 6: want KEY: VALUE"},
		"only the seed": {credentialsTitle + "\n" + secret, "line 2"},
		"key with seed": {credentialsTitle + "\n" + secret + ": x", "line 2"},
		"broken seed":   {strings.Replace(good, secret, secret[:20]+"X"+secret[20:], 1), "line 6: the seed cannot be read"},
		"account seed":  {strings.Replace(good, secret, "SAADLJQLSJ4XUBS77MV67KZSMV5HOUAFFHQUKBIOBSGCOPM7J5UUNSYDVM", 1), "seed"},
		"no seed":       {strings.Replace(good, "seed: "+secret, "", 1), "there is no seed"},
		"two seeds":     {good + "seed: " + secret, "second seed"},
		"two regions":   {good + "region: x", "line 7: there is a second region"},
		"no prober":     {strings.Replace(good, "prober: p", "", 1), "prober \"\""},
		"bad region":    {strings.Replace(good, "region: tokyo", "region: To Kyo", 1), "To Kyo"},
		"no url":        {strings.Replace(good, "url: tls://c.example.com:4222", "", 1), "there is no url"},
		"odd scheme":    {strings.Replace(good, "tls://", "http://", 1), "want nats, tls, ws or wss"},
		"plain ws":      {strings.Replace(good, "tls://", "ws://", 1), "want wss://"},
		"password":      {strings.Replace(good, "tls://", "tls://me:hunter2@", 1), "without user and password"},
		"two kinds":     {good + "url: wss://c.example.com", "one kind"},
		"no PEM":        {good + "-----BEGIN RUBBISH", "PEM block 1"},
		"a key":         {good + "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "certificates of the CA only"},
	} {
		_, err := ParseCredentials([]byte(one.text))
		if err == nil || !strings.Contains(err.Error(), one.want) {
			t.Errorf("%s: got error %v, want one that says %q", name, err, one.want)
			continue
		}
		for _, leak := range []string{secret, secret[:20], secret[20:], "hunter2"} {
			if strings.Contains(err.Error(), leak) {
				t.Errorf("%s: the error shows a secret: %v", name, err)
			}
		}
	}
}

// However credentials are printed, the seed does not show.
func TestSeedDoesNotShow(t *testing.T) {
	c, err := NewCredentials("tokyo", "p", []string{"tls://c.example.com:4222"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	seed, err := c.key.pair().Seed()
	if err != nil {
		t.Fatal(err)
	}
	var log journal
	log.logger().Info("x", "pointer", c, "value", *c)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "pointer", c, "value", *c)
	out := log.String()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		out += fmt.Sprintf(verb, c) + fmt.Sprintf(verb, *c) + fmt.Sprintf(verb, c.key) + fmt.Sprintf(verb, struct{ C *Credentials }{c})
	}
	for _, leak := range []string{string(seed), fmt.Sprintf("%x", seed), fmt.Sprintf("%d", seed), "[83 85"} {
		if strings.Contains(out, leak) {
			t.Errorf("the seed shows as %q in\n%s", leak, out)
		}
	}
}

func FuzzParseCredentials(f *testing.F) {
	c, err := NewCredentials("tokyo", "p", []string{"tls://c.example.com:4222"}, nil)
	if err != nil {
		f.Fatal(err)
	}
	text, err := c.Text()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(credentialsTitle + "\nregion: x\n-----BEGIN CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := ParseCredentials(text)
		if err != nil {
			return
		}
		// What can be read can be written, and is the same then.
		again, err := c.Text()
		if err != nil {
			t.Fatal(err)
		}
		d, err := ParseCredentials(again)
		if err != nil || d.String() != c.String() {
			t.Errorf("got %v, %v, want %v", d, err, c)
		}
	})
}

func FuzzSubject(f *testing.F) {
	f.Add("gaikei.result.eu_west.p-1.live")
	f.Fuzz(func(t *testing.T, subject string) {
		if id, lane, err := fromLaneSubject(subject); err == nil && laneSubject(id, lane) != subject {
			t.Errorf("subject %q is of %v on %s, whose subject is %q", subject, id, lane, laneSubject(id, lane))
		}
	})
}
