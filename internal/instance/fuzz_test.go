package instance

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"testing"
)

func FuzzTokenPodUID_ReadsAnyFile(f *testing.F) {
	claims := base64.RawURLEncoding.EncodeToString([]byte(`{"kubernetes.io":{"pod":{"uid":"u"}}}`))
	f.Add([]byte("e30." + claims + ".sig"))
	f.Add([]byte("a.b.c"))
	path := filepath.Join(f.TempDir(), "token")
	f.Fuzz(func(t *testing.T, token []byte) {
		if err := os.WriteFile(path, token, 0o600); err != nil {
			t.Fatal(err)
		}
		if uid := tokenPodUID(path); len(uid) > len(token) {
			t.Errorf("%q out of %q", uid, token)
		}
	})
}
