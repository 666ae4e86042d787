package gate

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/k8s-await-election/k8s-await-election/e2e/apiserver"
	"github.com/k8s-await-election/k8s-await-election/e2e/gate/stage"
)

// migrating tells whoever runs an older tool what rights to grant and what to
// type.
var migrating = filepath.Join("..", "..", "docs", "migrating.md")

// documentedRole is a Role of that document.
type documentedRole struct {
	title string // the comment on it
	rbacv1.Role
}

func documentedRoles(t *testing.T) []documentedRole {
	t.Helper()
	text, err := os.ReadFile(migrating)
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ = bytes.Cut(text, []byte("<!-- roles:"))
	text, _, _ = bytes.Cut(text, []byte("<!-- end of roles -->"))
	var all []documentedRole
	for _, block := range regexp.MustCompile("(?s)```yaml\n# (.*?)\n(.*?)```").FindAllSubmatch(text, -1) {
		role := documentedRole{title: string(block[1])}
		if err := yaml.UnmarshalStrict(block[2], &role.Role); err != nil {
			t.Fatalf("%s: %v", role.title, err)
		}
		all = append(all, role)
	}
	if len(all) != 4 {
		t.Fatalf("%d Roles, want 4", len(all))
	}
	return all
}

func TestMigrating_HasRolesWithWhichNothingIsRefused(t *testing.T) {
	for _, role := range documentedRoles(t) {
		t.Run(role.title, func(t *testing.T) {
			t.Parallel()
			if role.Kind != "Role" || role.APIVersion != "rbac.authorization.k8s.io/v1" || role.Name == "" {
				t.Errorf("it is a %s %s %q", role.APIVersion, role.Kind, role.Name)
			}
			s := stage.New(t, server, programs, role.Rules...)
			s.LongLeases()
			lock := role.Rules[0]
			s.Env["LOCK_TYPE"], s.Env["LOCK_NAME"], s.Env["LOG_LEVEL"] = lock.Resources[0], lock.ResourceNames[0], "debug"
			labelled := slices.ContainsFunc(role.Rules, func(r rbacv1.PolicyRule) bool { return r.Resources[0] == "pods" })
			start := func(name string) *stage.Container {
				t.Helper()
				pod := stage.Pod{Name: name, Env: map[string]string{}}
				if labelled {
					pod.Env["POD_NAME"], pod.Env["POD_NAMESPACE"], pod.Env["POD_LABEL"] = name, s.Namespace, "k8s-elector/status"
					createPod(t, s, name)
				}
				return s.Start(pod)
			}
			says := func(name, want string) {
				t.Helper()
				if !labelled {
					return
				}
				s.Await(name+" is labelled "+want, func() bool {
					pod, err := server.Client().CoreV1().Pods(s.Namespace).Get(t.Context(), name, metav1.GetOptions{})
					return err == nil && pod.Labels["k8s-elector/status"] == want
				})
			}
			a := start("a")
			s.AwaitLeader(a)
			says("a", "leader")
			b := start("b")
			s.AwaitStandby(b)
			says("b", "standby")
			a.Signal(syscall.SIGTERM)
			s.AwaitExit(a)
			s.AwaitLeader(b)
			says("b", "leader")
			says("a", "standby")
			b.Signal(syscall.SIGTERM)
			s.AwaitExit(b)

			requests, err := server.Requests(s.User)
			if err != nil {
				t.Fatal(err)
			}
			used := map[string]bool{}
			for _, r := range requests {
				used[r.ObjectRef.Resource] = true
				if r.ResponseStatus.Code == http.StatusForbidden {
					t.Errorf("%s %s is refused", r.Verb, r.RequestURI)
				}
			}
			for _, rule := range role.Rules {
				if !used[rule.Resources[0]] {
					t.Errorf("nothing asks for %s", rule.Resources[0])
				}
			}
		})
	}
}

// createPod creates the object alone: there is no kubelet.
func createPod(t *testing.T, s *stage.Stage, name string) {
	t.Helper()
	_, err := server.Client().CoreV1().Pods(s.Namespace).Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "elector", Image: "old"}}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

func TestMigrating_HasCommandsThatWork(t *testing.T) {
	t.Parallel()
	path := kubectl(t)
	ctx, client := t.Context(), server.Client()
	const namespace, name, account = "prod", "my-app", "system:serviceaccount:prod:my-app"
	if _, err := client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	labels := map[string]string{"app": name}
	deployment := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "elector", Image: "old"}}},
			},
		},
	}
	if _, err := client.AppsV1().Deployments(namespace).Create(ctx, deployment, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	holder := "my-app-of-then"
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: coordinationv1.LeaseSpec{HolderIdentity: &holder}}
	if _, err := client.CoordinationV1().Leases(namespace).Create(ctx, lease, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := server.Grant(ctx, namespace, account, documentedRoles(t)[0].Rules...); err != nil {
		t.Fatal(err)
	}
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := apiserver.WriteKubeconfig(kubeconfig, server.Config()); err != nil {
		t.Fatal(err)
	}

	commands, err := exec.CommandContext(ctx, filepath.Join("..", "..", ".github", "doc-commands"), migrating).Output()
	if err != nil {
		t.Fatal(err)
	}
	shell := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", string(commands))
	shell.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig, "PATH="+filepath.Dir(path)+":"+os.Getenv("PATH"))
	said, err := shell.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	for _, want := range []string{"yes\n", "image updated\n", holder + "\n"} {
		if !strings.Contains(string(said), want) {
			t.Errorf("nothing says %q: %s", want, said)
		}
	}
	after, err := client.AppsV1().Deployments(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if image := after.Spec.Template.Spec.Containers[0].Image; image != "k8s-await-election:latest" {
		t.Errorf("the image is %s", image)
	}
}

// kubectl is that of the API server's folder, or that of the machine.
func kubectl(t *testing.T) string {
	t.Helper()
	folder, err := apiserver.Assets()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "kubectl")
	if _, err := os.Stat(path); err == nil {
		return path
	}
	path, err = exec.LookPath("kubectl")
	if err != nil && os.Getenv("CI") == "" {
		t.Skipf("%s needs kubectl, which make cluster builds", t.Name())
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}
