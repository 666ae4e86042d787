package examples

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8s-await-election/k8s-await-election/e2e/gate/stage"
)

const (
	// patience bounds every wait. Generous: many tests share few cores.
	patience = 2 * time.Minute
	// look is how often a condition is looked at.
	look = 10 * time.Millisecond
	// accountMount is where the kubelet mounts the token of a ServiceAccount.
	accountMount = "/var/run/secrets/kubernetes.io/serviceaccount"
)

// scratch is a directory for the images and containers of this run.
var scratch string

// pod is one replica of an example's Deployment, run as the kubelet and its
// runtime would run it.
type pod struct {
	// The container that stands for election: the gate's, or the sidecar.
	*container
	// app is that of the application: the gate's too, or beside a sidecar. Nil for
	// a sidecar that is alone.
	app *container

	name, ip string
	network  *stage.Network

	t      *testing.T
	spec   corev1.PodSpec
	all    []object
	folder string
	// claims is where the data of PersistentVolumeClaims is; Pods share it.
	claims    string
	account   string
	namespace string
	server    *url.URL // the API server, as the Pod sees it
}

// startPod runs the init containers and starts the others. The test must have
// asked needRuntime, and have applied the objects.
func startPod(t *testing.T, namespace string, all []object, number int, claims string) *pod {
	t.Helper()
	d := only[*appsv1.Deployment](t, all)
	p := &pod{
		name: fmt.Sprintf("%s-%d", d.Name, number), ip: fmt.Sprintf("10.77.0.%d", number+1),
		network: stage.NewNetwork(t),
		t:       t, spec: d.Spec.Template.Spec, all: all, folder: t.TempDir(), claims: claims, namespace: namespace,
	}
	p.create(d.Spec.Template)
	p.connect()
	p.makeVolumes()
	p.makeAccount()
	for _, c := range p.spec.InitContainers {
		if isNative(c) {
			p.container = p.start(c)
			p.awaitStartup(c)
			continue
		}
		cmd := p.command(c)
		var said []byte
		var err error
		p.network.Do(func() { said, err = cmd.CombinedOutput() })
		if err != nil {
			t.Fatalf("%s: init container %s: %v: %s", p.name, c.Name, err, said)
		}
	}
	elected := elected(t, p.spec)
	for _, c := range p.spec.Containers {
		k := p.start(c)
		if c.Name == elected.Name {
			p.container = k
		}
		if c.Image != ours {
			p.app = k
		}
	}
	return p
}

// create makes the object, which a sidecar labels.
func (p *pod) create(template corev1.PodTemplateSpec) {
	p.t.Helper()
	object := &corev1.Pod{ObjectMeta: *template.ObjectMeta.DeepCopy(), Spec: *template.Spec.DeepCopy()}
	object.Name = p.name
	if _, err := server.Client().CoreV1().Pods(p.namespace).Create(p.t.Context(), object, metav1.CreateOptions{}); err != nil {
		p.t.Fatal(err)
	}
}

// awaitStartup waits until the startup probe passes, as the kubelet does before it
// starts another container.
func (p *pod) awaitStartup(c corev1.Container) {
	p.t.Helper()
	if c.StartupProbe == nil {
		p.t.Fatalf("container %s has no startup probe", c.Name)
	}
	get := c.StartupProbe.HTTPGet
	p.await("its startup probe passes", func() bool {
		status, _, err := p.fetch(get.Port.IntValue(), get.Path)
		return err == nil && status == http.StatusOK
	})
}

// connect gives the Pod its address and a way to the API server.
func (p *pod) connect() {
	p.t.Helper()
	var err error
	p.network.Do(func() { err = addAddress(p.ip) })
	if err != nil {
		p.t.Fatalf("give %s an address: %v", p.name, err)
	}
	host, err := url.Parse(server.Config().Host)
	if err != nil {
		p.t.Fatal(err)
	}
	proxy, err := p.network.Proxy(p.t.Context(), host.Host)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = proxy.Close() })
	p.server = &url.URL{Host: proxy.Addr()}
}

// addAddress adds one to the loopback interface of this thread's network.
func addAddress(ip string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	alias, err := unix.NewIfreq("lo:1")
	if err != nil {
		return err
	}
	if err := alias.SetInet4Addr(net.ParseIP(ip).To4()); err != nil {
		return err
	}
	return unix.IoctlIfreq(fd, unix.SIOCSIFADDR, alias)
}

// makeVolumes fills every volume that is not the ServiceAccount's.
func (p *pod) makeVolumes() {
	p.t.Helper()
	for _, v := range p.spec.Volumes {
		folder := p.volume(v.Name)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			p.t.Fatal(err)
		}
		if v.ConfigMap != nil {
			for _, o := range p.all {
				m, is := o.typed.(*corev1.ConfigMap)
				if !is || m.Name != v.ConfigMap.Name {
					continue
				}
				for name, text := range m.Data {
					if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
						p.t.Fatal(err)
					}
				}
			}
			continue
		}
		p.mayWrite(folder, v.EmptyDir != nil)
	}
}

// mayWrite makes a volume writable: for everybody where it is an emptyDir, and
// for the Pod's group as a volume with that support is.
func (p *pod) mayWrite(folder string, everybody bool) {
	p.t.Helper()
	mode := os.FileMode(0o755)
	if everybody {
		mode = 0o777
	}
	if s := p.spec.SecurityContext; s != nil && s.FSGroup != nil {
		if err := os.Chown(folder, -1, int(*s.FSGroup)); err != nil {
			p.t.Fatal(err)
		}
		mode |= 0o070 | os.ModeSetgid
	}
	if err := os.Chmod(folder, mode); err != nil {
		p.t.Fatal(err)
	}
}

// volume is the directory behind a volume.
func (p *pod) volume(name string) string {
	for _, v := range p.spec.Volumes {
		if v.Name == name && v.PersistentVolumeClaim != nil {
			return filepath.Join(p.claims, v.PersistentVolumeClaim.ClaimName)
		}
	}
	return filepath.Join(p.folder, "volumes", name)
}

// makeAccount asks for a token of the Pod's ServiceAccount, with the rights that
// the example gives to it.
func (p *pod) makeAccount() {
	p.t.Helper()
	answer, err := server.Client().CoreV1().ServiceAccounts(p.namespace).CreateToken(p.t.Context(), p.spec.ServiceAccountName,
		&authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		p.t.Fatal(err)
	}
	p.account = filepath.Join(p.folder, "account")
	if err := os.Mkdir(p.account, 0o755); err != nil {
		p.t.Fatal(err)
	}
	for name, text := range map[string]string{
		"token": answer.Status.Token, "namespace": p.namespace, "ca.crt": string(server.Config().CAData),
	} {
		if err := os.WriteFile(filepath.Join(p.account, name), []byte(text), 0o644); err != nil {
			p.t.Fatal(err)
		}
	}
}

// command is runc with a bundle for the container.
func (p *pod) command(c corev1.Container) *exec.Cmd {
	p.t.Helper()
	folder := filepath.Join(p.folder, c.Name)
	if err := os.Mkdir(folder, 0o755); err != nil {
		p.t.Fatal(err)
	}
	text, err := json.Marshal(p.bundle(c))
	if err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "config.json"), text, 0o600); err != nil {
		p.t.Fatal(err)
	}
	return exec.Command("runc", "--root", p.runtime(), "run", "--bundle", folder, p.idOf(c))
}

// idOf is the name of a container for runc.
func (p *pod) idOf(c corev1.Container) string { return p.namespace + "-" + p.name + "-" + c.Name }

// runtime is where runc keeps what it knows.
func (p *pod) runtime() string { return filepath.Join(p.folder, "runc") }

// bundle is what the kubelet makes of a container.
func (p *pod) bundle(c corev1.Container) bundle {
	p.t.Helper()
	from := imageOf(p.t, c.Image)
	security := c.SecurityContext
	if security == nil || security.ReadOnlyRootFilesystem == nil || !*security.ReadOnlyRootFilesystem ||
		security.AllowPrivilegeEscalation == nil || *security.AllowPrivilegeEscalation ||
		security.Capabilities == nil || !slices.Equal(security.Capabilities.Drop, []corev1.Capability{"ALL"}) {
		p.t.Fatalf("container %s: the test runs those with a read-only root, no escalation and all capabilities dropped", c.Name)
	}
	b := bundle{
		Version: "1.0.2", Hostname: p.name,
		Root:   rootfs{Path: from.rootfs, Readonly: true},
		Mounts: append(kernelMounts(), p.mounts(c)...),
		Linux:  linux{CgroupsPath: "/" + p.namespace + "-" + p.name + "-" + c.Name},
	}
	for _, kind := range []string{"pid", "mount", "ipc", "uts"} { // the network is runc's own
		b.Linux.Namespaces = append(b.Linux.Namespaces, map[string]string{"type": kind})
	}
	b.Process = process{User: p.user(c, from), Args: slices.Concat(c.Command, c.Args), Cwd: "/", NoNewPrivileges: true}
	if len(c.Command) == 0 {
		b.Process.Args = slices.Concat(from.config.Entrypoint, c.Args)
	}
	b.Process.Env = append(slices.Clone(from.config.Env),
		"KUBERNETES_SERVICE_HOST="+p.server.Hostname(), "KUBERNETES_SERVICE_PORT="+p.server.Port())
	variables := environment(p.t, c, fields(p.namespace, p.name, p.ip))
	for name, value := range variables {
		b.Process.Env = append(b.Process.Env, name+"="+value)
	}
	b.Process.Args = expand(b.Process.Args, variables)
	added := []string{}
	for _, capability := range security.Capabilities.Add {
		added = append(added, "CAP_"+string(capability))
	}
	b.Process.Capabilities = map[string][]string{"bounding": added}
	if b.Process.User.UID == 0 {
		b.Process.Capabilities["effective"], b.Process.Capabilities["permitted"] = added, added
	}
	return b
}

// kernelMounts are what every container has.
func kernelMounts() []mount {
	return []mount{
		{"/proc", "proc", "proc", []string{"nosuid", "noexec", "nodev"}},
		{"/dev", "tmpfs", "tmpfs", []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
		{"/dev/shm", "tmpfs", "shm", []string{"nosuid", "noexec", "nodev", "mode=1777"}},
	}
}

// mounts are a container's own.
func (p *pod) mounts(c corev1.Container) []mount {
	var all []mount
	hasAccount := p.spec.AutomountServiceAccountToken == nil || *p.spec.AutomountServiceAccountToken
	for _, m := range c.VolumeMounts {
		if m.MountPath == accountMount {
			hasAccount = true
			continue
		}
		options := []string{"rbind", "rprivate"}
		if m.ReadOnly {
			options = append(options, "ro")
		}
		all = append(all, mount{m.MountPath, "bind", p.volume(m.Name), options})
	}
	if !hasAccount {
		return all
	}
	return append(all, mount{accountMount, "bind", p.account, []string{"rbind", "rprivate", "ro"}})
}

// user is whom a container runs as.
func (p *pod) user(c corev1.Container, from image) user {
	p.t.Helper()
	var who user
	if uid, gid, _ := strings.Cut(from.config.User, ":"); uid != "" {
		var err1, err2 error
		who.UID, err1 = strconv.ParseInt(uid, 10, 64)
		who.GID, err2 = strconv.ParseInt(gid, 10, 64)
		if err1 != nil || err2 != nil {
			p.t.Fatalf("image %s: the user %s is not two numbers", c.Image, from.config.User)
		}
	}
	if s := p.spec.SecurityContext; s != nil {
		override(&who.UID, s.RunAsUser)
		override(&who.GID, s.RunAsGroup)
		if s.FSGroup != nil {
			who.AdditionalGids = []int64{*s.FSGroup}
		}
	}
	override(&who.UID, c.SecurityContext.RunAsUser)
	override(&who.GID, c.SecurityContext.RunAsGroup)
	return who
}

func override(number, wanted *int64) {
	if wanted != nil {
		*number = *wanted
	}
}

// end deletes the Pod with grace, and returns the exit status of who stands for
// election.
func (p *pod) end() int {
	p.t.Helper()
	if p.app != nil && p.app != p.container {
		p.app.terminate()
		if slices.ContainsFunc(p.spec.InitContainers, isNative) { // ended after the others
			p.app.awaitEnd()
		}
	}
	p.terminate()
	return p.awaitEnd()
}

func (p *pod) runc(args ...string) string {
	p.t.Helper()
	said, err := p.tryRunc(args...)
	if err != nil {
		p.t.Errorf("runc %s: %v: %s", args, err, said)
	}
	return said
}

func (p *pod) tryRunc(args ...string) (string, error) {
	said, err := exec.Command("runc", append([]string{"--root", p.runtime()}, args...)...).CombinedOutput()
	return string(said), err
}

// fetch gets a path from a port of the Pod.
func (p *pod) fetch(port int, path string) (status int, body string, err error) {
	conn, err := p.dial(port)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = conn.Close() }()
	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, "http://pod"+path, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	request.Close = true
	if err := request.Write(conn); err != nil {
		return 0, "", err
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), request)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text), err
}

// dial connects to a port of the Pod, by its address.
func (p *pod) dial(port int) (conn net.Conn, err error) {
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	p.network.Do(func() {
		conn, err = new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(p.ip, strconv.Itoa(port)))
	})
	return conn, err
}
