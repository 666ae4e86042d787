package stage

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Programs are the paths of the binaries that a Stage starts.
type Programs struct {
	// Gate is k8s-await-election, Actor the command that it is given.
	Gate, Actor string
}

// Build makes in the directory those programs that are not made yet, which is where
// their path is empty; the gate as it is delivered: static. An error holds what the
// compiler said. The caller is a test, so the working directory is one of the module
// e2e.
func Build(dir string, made Programs) (Programs, error) {
	// Whoever runs them may be another user.
	if err := os.Chmod(dir, 0o755); err != nil {
		return Programs{}, err
	}
	p := made
	if p.Actor == "" {
		p.Actor = filepath.Join(dir, "actor")
		if _, err := output("go", "build", "-o", p.Actor, "github.com/k8s-await-election/k8s-await-election/e2e/gate/stage/actor"); err != nil {
			return p, err
		}
	}
	if p.Gate != "" {
		return p, nil
	}
	p.Gate = filepath.Join(dir, "k8s-await-election")
	module, err := output("go", "list", "-m", "-f", "{{.Dir}}", "github.com/k8s-await-election/k8s-await-election")
	if err != nil {
		return p, err
	}
	_, err = output("go", "-C", module, "build", "-o", p.Gate, "./cmd/k8s-await-election")
	return p, err
}

func output(name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	text, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %q: %w\n%s", name, args, err, text)
	}
	return string(text[:max(0, len(text)-1)]), nil
}
