package examples

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	redisUser = 100 // in the image
	dataUser  = 33  // www-data, in every Debian
)

// stageOf applies an example to a namespace of its own.
func stageOf(t *testing.T, e example) (namespace string, all []object) {
	t.Helper()
	needRuntime(t)
	all = objects(t, e.make(t))
	namespace = newNamespace(t, e.level)
	apply(t, namespace, all)
	return namespace, all
}

// leadsTo is the address that the Service has for clients.
func leadsTo(t *testing.T, namespace, service string) string {
	t.Helper()
	slices, err := server.Client().DiscoveryV1().EndpointSlices(namespace).List(t.Context(),
		metav1.ListOptions{LabelSelector: "kubernetes.io/service-name=" + service})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range slices.Items {
		if len(s.Endpoints) == 1 && len(s.Endpoints[0].Addresses) == 1 && len(s.Ports) == 1 {
			return fmt.Sprintf("%s:%d", s.Endpoints[0].Addresses[0], *s.Ports[0].Port)
		}
	}
	return ""
}

// handOver starts two Pods, sees the first one serve, deletes it, and sees the
// other one serve. The rights of the example are all that they have.
func handOver(t *testing.T, e example, port int, serves func(*testing.T, *pod)) {
	t.Helper()
	namespace, all := stageOf(t, e)
	claims := t.TempDir()
	a := startPod(t, namespace, all, 0, claims)
	a.await("the Service leads to it", func() bool { return leadsTo(t, namespace, e.app) == fmt.Sprintf("%s:%d", a.ip, port) })
	b := startPod(t, namespace, all, 1, claims)
	b.awaitLine("next in line")
	serves(t, a)
	if conn, err := b.dial(port); err == nil {
		_ = conn.Close()
		t.Error("the standby serves")
	}
	if strings.Contains(b.log(), "command started") {
		t.Error("the standby has started its command")
	}

	if status := a.end(); status != 0 {
		t.Errorf("the leader ended with status %d", status)
	}

	b.await("the Service leads to it", func() bool { return leadsTo(t, namespace, e.app) == fmt.Sprintf("%s:%d", b.ip, port) })
	serves(t, b)
	if status := b.end(); status != 0 {
		t.Errorf("the second leader ended with status %d", status)
	}
	for _, p := range []*pod{a, b} {
		for line := range strings.Lines(p.log()) {
			// Looking at everybody's slices is a courtesy for those who may.
			if strings.Contains(line, "403 Forbidden") && !strings.Contains(line, "not looking for other EndpointSlices") {
				t.Errorf("%s: with the rights of the example: %s", p.name, line)
			}
		}
	}
}

func TestRedis_HandsItsKeysOver(t *testing.T) {
	t.Parallel()
	for _, e := range examples {
		if e.app != "redis" {
			continue
		}
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			kept := 0
			handOver(t, e, 6379, func(t *testing.T, p *pod) {
				t.Helper()
				if users := p.users()["redis-server"]; !slices.Equal(users, []int{redisUser}) {
					t.Errorf("redis-server is run by %v, want the user redis, %d", users, redisUser)
				}
				// Each leader finds what those before it have written.
				kept++
				if got, want := ask(t, p, "INCR count"), fmt.Sprintf(":%d", kept); got != want {
					t.Errorf("%s answers %q, want %q", p.name, got, want)
				}
			})
		})
	}
}

// ask sends one command to redis and returns its answer.
func ask(t *testing.T, p *pod, command string) string {
	t.Helper()
	conn, err := p.dial(6379)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := fmt.Fprintf(conn, "%s\r\n", command); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

func TestNginx_HandsOver(t *testing.T) {
	t.Parallel()
	for _, e := range examples {
		if e.app != "nginx" {
			continue
		}
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			port, master := 80, 0
			if e.level == "restricted" {
				port, master = 8080, dataUser
			}
			handOver(t, e, port, func(t *testing.T, p *pod) {
				t.Helper()
				users := p.users()["nginx"]
				workers := slices.DeleteFunc(slices.Clone(users), func(uid int) bool { return uid != dataUser })
				if !slices.Contains(users, master) || len(workers) < 1 || users[0] != master {
					t.Errorf("nginx is run by %v, want its master by %d and workers by www-data, %d", users, master, dataUser)
				}
				if page := get(t, p, port); !strings.Contains(page, "Welcome to nginx!") {
					t.Errorf("%s answers %q", p.name, page)
				}
			})
		})
	}
}

// get fetches the front page.
func get(t *testing.T, p *pod, port int) string {
	t.Helper()
	status, body, err := p.fetch(port, "/")
	if err != nil || status != http.StatusOK {
		t.Fatalf("%s: status %d, %v", p.name, status, err)
	}
	return body
}

// What the examples name by number is what the packages' own scripts made.
func TestImages_HaveTheUsersThatTheExamplesName(t *testing.T) {
	t.Parallel()
	needRuntime(t)
	for app, want := range map[string]string{"redis": fmt.Sprintf("redis %d 101", redisUser), "nginx": fmt.Sprintf("www-data %d 33", dataUser)} {
		from := imageOf(t, "localhost/k8s-await-election-examples/"+app+":debian12")
		text, err := os.ReadFile(filepath.Join(from.rootfs, "etc", "passwd"))
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for line := range strings.Lines(string(text)) {
			entry := strings.Split(line, ":") // name, password, user, group
			found = found || entry[0]+" "+entry[2]+" "+entry[3] == want
		}
		if !found {
			t.Errorf("%s has no user %s:\n%s", app, want, text)
		}
	}
}

// The gate ends what a command leaves running, so a command that puts itself
// into the background would be ended at once.
func TestExamples_RunTheirCommandsInTheForeground(t *testing.T) {
	t.Parallel()
	needRuntime(t)
	p := startChanged(t, "nginx by manifests", "daemon off;", "daemon on;")
	if status := p.awaitEnd(); status != 0 || !strings.Contains(p.log(), "command started") {
		t.Errorf("the gate ended with status %d", status)
	}
	if conn, err := p.dial(80); err == nil {
		_ = conn.Close()
		t.Error("nginx goes on after its gate")
	}
}

func TestExamples_HaveNoCapabilityTooMany(t *testing.T) {
	t.Parallel()
	needRuntime(t)
	// What is said where one is missing: in the container's output, or in nginx's log.
	rows := []struct{ example, capability, says string }{
		{"redis by manifests", "SETUID", "setresuid failed"},
		{"redis by manifests", "SETGID", "setresgid failed"},
		{"redis by manifests", "KILL", "operation not permitted"},
		{"nginx by manifests", "SETUID", "setuid(33) failed"},
		{"nginx by manifests", "SETGID", "setgid(33) failed"},
		{"nginx by manifests", "CHOWN", "chown("},
		{"nginx by manifests", "NET_BIND_SERVICE", "bind() to 0.0.0.0:80 failed"},
	}
	for _, row := range rows {
		t.Run(row.example+" without "+row.capability, func(t *testing.T) {
			t.Parallel()
			p := startChanged(t, row.example, "- "+row.capability+" ", "- AUDIT_WRITE ")
			if row.capability == "KILL" {
				p.awaitLine("traffic leads here")
				p.terminate()
			}
			p.awaitText(row.says, func() string {
				text, _ := os.ReadFile(filepath.Join(p.volume("log"), "error.log")) // redis has none
				return p.log() + string(text)
			})
		})
	}
}

// startChanged starts one Pod of an example in which one text is another, and a
// command that does not end has a second to do so.
func startChanged(t *testing.T, name, from, to string) *pod {
	t.Helper()
	e := examples[slices.IndexFunc(examples, func(e example) bool { return e.name == name })]
	text := strings.Replace(string(e.make(t)), `STOP_TIMEOUT, value: "25"`, `STOP_TIMEOUT, value: "1"`, 1)
	changed := strings.Replace(text, from, to, 1)
	if changed == text {
		t.Fatalf("%s has no %q", name, from)
	}
	all := objects(t, []byte(changed))
	namespace := newNamespace(t, e.level)
	apply(t, namespace, all)
	return startPod(t, namespace, all, 0, t.TempDir())
}
