package instance

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// asGate is what the test binary is called with, and an identity, to claim it,
// say what came of it, and keep it until its input ends.
const asGate = "instance-gate"

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == asGate {
		self, err := Claim(options(os.Args[2]))
		switch {
		case errors.Is(err, ErrTaken):
			fmt.Println("taken")
		case err != nil || !self.Exclusive:
			fmt.Println("failed", err)
		default:
			fmt.Println("exclusive")
		}
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// options are those of a gate that no other run of these tests knows.
func options(identity string) Options {
	return Options{LockType: "leases", Namespace: "instance-test", Name: "db", Identity: identity, PodUID: "uid"}
}

// identities counts them: what this process has claimed is its until it ends.
var identities atomic.Int64

// identity is one that nothing else uses.
func identity(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf("%s-%d-%d", t.Name(), os.Getpid(), identities.Add(1))
}

// gate starts another process that claims identity.
func gate(t *testing.T, attributes *syscall.SysProcAttr, identity string) (says string, kill func()) {
	t.Helper()
	command := exec.Command(os.Args[0], asGate, identity)
	command.SysProcAttr = attributes
	command.Stderr = os.Stderr
	input, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Skipf("a process like this may not be started here: %v", err)
	}
	kill = func() {
		_ = input.Close()
		_ = command.Process.Kill()
		_, _ = command.Process.Wait()
	}
	t.Cleanup(kill)
	if _, err := fmt.Fscanln(output, &says); err != nil {
		t.Fatal(err)
	}
	return says, kill
}

func TestClaim_DescribesThisProcess(t *testing.T) {
	t.Parallel()
	self, err := Claim(options(identity(t)))
	if err != nil {
		t.Fatal(err)
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		t.Fatal(err)
	}
	link, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	if self.BootID+"\n" != string(boot) || fmt.Sprintf("net:[%d]", self.NetNS) != link || self.PodUID != "uid" || self.Init != (os.Getpid() == 1) || !self.Exclusive {
		t.Errorf("%+v, in boot %s and namespace %s", self, boot, link)
	}
	again, err := Claim(options(identity(t)))
	if err != nil {
		t.Fatal(err)
	}
	if len(self.Process) < 26 || again.Process == self.Process {
		t.Errorf("processes %q and %q", self.Process, again.Process)
	}
}

func TestClaim_IsRefusedToASecondGateOfTheIdentity(t *testing.T) {
	t.Parallel()
	own := options(identity(t))
	if _, err := Claim(own); err != nil {
		t.Fatal(err)
	}
	self, err := Claim(own)
	if !errors.Is(err, ErrTaken) || self.Exclusive {
		t.Fatalf("claimed twice in one process: %+v, %v", self, err)
	}
	if !strings.Contains(err.Error(), own.Identity) || !strings.Contains(err.Error(), "IDENTITY") {
		t.Errorf("says neither who nor what to do: %v", err)
	}
	if says, _ := gate(t, nil, own.Identity); says != "taken" {
		t.Errorf("another process says %s", says)
	}
}

func TestClaim_IsFreeWhenItsProcessWasKilled(t *testing.T) {
	t.Parallel()
	name := identity(t)
	says, kill := gate(t, nil, name)
	if says != "exclusive" {
		t.Fatalf("says %s", says)
	}
	if _, err := Claim(options(name)); !errors.Is(err, ErrTaken) {
		t.Fatalf("claimed what another process holds: %v", err)
	}
	kill()
	if _, err := Claim(options(name)); err != nil {
		t.Fatal(err)
	}
}

func TestClaim_IsNotInheritedByTheChild(t *testing.T) {
	t.Parallel()
	_, socket, err := claim(options(identity(t)))
	if err != nil {
		t.Fatal(err)
	}
	flags, err := unix.FcntlInt(uintptr(socket), unix.F_GETFD, 0)
	if err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("flags %#x, %v", flags, err)
	}
}

func TestClaim_IsOneForEachNetworkNamespace(t *testing.T) {
	t.Parallel()
	own := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if uid := os.Geteuid(); uid != 0 {
		own.Cloneflags |= syscall.CLONE_NEWUSER
		own.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
	}
	name := identity(t)
	if _, err := Claim(options(name)); err != nil {
		t.Fatal(err)
	}
	if says, _ := gate(t, own, name); says != "exclusive" {
		t.Errorf("in another namespace: %s", says)
	}
}

func TestClaim_TakesNamesOfAnyLength(t *testing.T) {
	t.Parallel()
	long := identity(t) + strings.Repeat("x", 1000)
	if _, err := Claim(options(long)); err != nil {
		t.Fatal(err)
	}
	if _, err := Claim(options(long)); !errors.Is(err, ErrTaken) {
		t.Errorf("claimed twice: %v", err)
	}
	self, err := Claim(options(long + "y"))
	if err != nil || !self.Exclusive {
		t.Fatalf("another long name: %+v, %v", self, err)
	}
}

func TestSocketName_IsItsOwnForEachGate(t *testing.T) {
	t.Parallel()
	if got := socketName(Options{LockType: "leases", Namespace: "prod", Name: "db", Identity: "db-0"}); got != "@k8s-await-election/leases/prod/db/db-0" {
		t.Errorf("%q", got)
	}
	fits := maxName - len("@k8s-await-election/leases/prod/db/")
	seen := map[string]Options{}
	for _, o := range []Options{
		{"leases", "prod", "db", "a", "", false},
		{"file", "prod", "db", "a", "", false},
		{"leases", "prod/db", "a", "", "", false},
		{"leases", "prod", "db/a", "", "", false},
		{"leases", "prod", "db", "a/", "", false},
		{"leases", "prod", "/", "db/a", "", false},
		{"leases", "prod", "db", strings.Repeat("x", fits), "", false},
		{"leases", "prod", "db", strings.Repeat("x", fits+1), "", false},
		{"leases", "prod", strings.Repeat("x", 200), "a", "", false},
		{"leases", "prod", strings.Repeat("x", 200) + `" "`, "a", "", false},
	} {
		name := socketName(o)
		if other, taken := seen[name]; taken {
			t.Errorf("%+v and %+v are both %s", o, other, name)
		}
		seen[name] = o
		if len(name) > maxName || !strings.HasPrefix(name, "@") || name != socketName(o) {
			t.Errorf("%+v is %q", o, name)
		}
	}
	if name := socketName(Options{"leases", "prod", "db", strings.Repeat("x", fits), "", false}); len(name) != maxName || !strings.HasSuffix(name, "x") {
		t.Errorf("a name that just fits is %q", name)
	}
}

func TestTokenPodUID_IsFoundInABoundTokenAlone(t *testing.T) {
	t.Parallel()
	encode := func(payload string) string { return base64.RawURLEncoding.EncodeToString([]byte(payload)) }
	bound := `{"aud":["api"],"kubernetes.io":{"namespace":"prod","pod":{"name":"db-0","uid":"0b8f-é>>>???"},"serviceaccount":{"uid":"other"}}}`
	for _, row := range []struct{ name, token, want string }{
		{"a bound token", "e30." + encode(bound) + ".c2ln", "0b8f-é>>>???"},
		{"with a newline", "e30." + encode(bound) + ".c2ln\n", "0b8f-é>>>???"},
		{"without a pod", "e30." + encode(`{"kubernetes.io":{"namespace":"prod"}}`) + ".c2ln", ""},
		{"of an older kind", "e30." + encode(`{"kubernetes.io/serviceaccount/secret.name":"x"}`) + ".c2ln", ""},
		{"a uid that is no text", "e30." + encode(`{"kubernetes.io":{"pod":{"uid":7}}}`) + ".c2ln", ""},
		{"no object", "e30." + encode(`[]`) + ".c2ln", ""},
		{"cut off", "e30." + encode(bound)[:40] + ".c2ln", ""},
		{"two parts", "e30." + encode(bound), ""},
		{"four parts", "e30." + encode(bound) + ".c2ln.x", ""},
		{"no base64", "e30.«»." + "c2ln", ""},
		{"empty", "", ""},
	} {
		path := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(path, []byte(row.token), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := tokenPodUID(path); got != row.want {
			t.Errorf("%s: %q", row.name, got)
		}
	}
	if got := tokenPodUID(filepath.Join(t.TempDir(), "missing")); got != "" {
		t.Errorf("without a token: %q", got)
	}
}
