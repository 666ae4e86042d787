package instance

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"strings"
)

// tokenPath is where Kubernetes mounts the service account's token.
const tokenPath = "/var/run/secrets/kubernetes.io/serviceaccount/token"

// tokenPodUID reads the Pod's UID out of the claims of a bound token. The
// signature is not checked: a wrong UID only makes this process wait where it
// need not. Empty: there is none to be read.
func tokenPodUID(path string) string {
	token, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	parts := strings.Split(strings.TrimSpace(string(token)), ".")
	if len(parts) != 3 {
		return ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return ""
	}
	var claims struct {
		Kubernetes struct {
			Pod struct {
				UID string `json:"uid"`
			} `json:"pod"`
		} `json:"kubernetes.io"`
	}
	if json.Unmarshal(payload, &claims) != nil {
		return ""
	}
	return claims.Kubernetes.Pod.UID
}
