package notify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// verify reports whether a request is from who knows the key: the secret without whsec_, decoded from base64.
func verify(h http.Header, body, key []byte) bool {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(h.Get("webhook-id") + "." + h.Get("webhook-timestamp") + "."))
	mac.Write(body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	for _, got := range strings.Fields(h.Get("webhook-signature")) {
		if hmac.Equal([]byte(got), []byte(want)) {
			return true
		}
	}
	return false
}

// TestVerify: what the page tells receivers to do takes what is signed with their key, and nothing else.
func TestVerify(t *testing.T) {
	page, err := os.ReadFile("../../docs/notify.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	code := regexp.MustCompile("(?s)```go\n(.*?)```").FindStringSubmatch(string(page))
	if code == nil || !strings.Contains(string(source), "\n"+code[1]) {
		t.Errorf("the code on the page is not the one above: %q", code)
	}
	mine, old, other := []byte(strings.Repeat("a", 24)), []byte(strings.Repeat("b", 24)), []byte(strings.Repeat("c", 24))
	e := pending{ID: "evt_1", Body: []byte(`{"id":"evt_1"}`)}
	h := http.Header{}
	sign(h, [][]byte{mine, old}, e, time.Unix(1_800_000_000, 0))
	if !verify(h, e.Body, mine) || !verify(h, e.Body, old) || verify(h, e.Body, other) || verify(h, []byte(`{"id":"evt_2"}`), mine) {
		t.Error("want both keys to fit, another not, and another body not")
	}
	h.Set("webhook-timestamp", "1800000001")
	if verify(h, e.Body, mine) {
		t.Error("another time fits the signature")
	}
}
