package chart

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/yaml"
)

// TestRefusals_NameTheKeyAndGiveAnExample is about what the schema cannot say: it
// runs first, and only knows keys and types.
func TestRefusals_NameTheKeyAndGiveAnExample(t *testing.T) {
	t.Parallel()
	const (
		app     = "app: {image: {repository: redis}, command: [redis-server]}\n"
		sidecar = "mode: sidecar\n"
		image   = "app: {image: {repository: redis}}\n"
	)
	for _, row := range []struct {
		name, yaml string
		set        []string
		setJSON    []string
		key, why   string
	}{
		{name: "nothing at all", key: "app.image.repository"},
		{name: "no image", yaml: "app: {command: [redis-server]}", key: "app.image.repository"},
		{name: "an empty image", set: []string{"app.image.repository=", "app.command={a}"}, key: "app.image.repository"},
		{name: "no command", set: []string{"app.image.repository=redis"}, key: "app.command", why: "docker image inspect redis"},
		{name: "an empty command", yaml: "app: {image: {repository: redis}, command: []}", key: "app.command", why: "ENTRYPOINT"},
		{name: "arguments alone", yaml: "app: {image: {repository: redis}, args: [--port, 1]}", key: "app.command", why: "ENTRYPOINT"},
		{name: "a command whose first word is empty", yaml: `app: {image: {repository: redis}, command: [""]}`, key: "app.command"},
		{name: "a null for the command", yaml: "app: {image: {repository: redis}, command: null}", key: "app.command", why: "ENTRYPOINT"},
		{name: "a lifecycle", yaml: "app: {image: {repository: redis}, command: [a], lifecycle: {preStop: {exec: {command: [a]}}}}", key: "app.lifecycle", why: "standbys"},
		{name: "a lifecycle by --set", set: []string{"app.image.repository=redis", "app.command={a}", "app.lifecycle.preStop.sleep.seconds=5"}, key: "app.lifecycle", why: "standbys"},
		{name: "a shared process namespace", yaml: app + "shareProcessNamespace: true", key: "shareProcessNamespace", why: "first process"},
		{name: "the host's processes", yaml: app + "hostPID: true", key: "hostPID", why: "first process"},
		{name: "root without KILL", yaml: "app: {image: {repository: redis}, command: [a], securityContext: {runAsUser: 0, capabilities: {drop: [ALL]}}}",
			key: "app.securityContext.capabilities", why: "KILL"},
		{name: "root of the Pod's without KILL", yaml: "app: {image: {repository: redis}, command: [a], securityContext: {capabilities: {drop: [all]}}}\npodSecurityContext: {runAsUser: 0}",
			key: "app.securityContext.capabilities", why: "KILL"},
		{name: "root that drops KILL alone", yaml: "app: {image: {repository: redis}, command: [a], securityContext: {runAsUser: 0, capabilities: {drop: [CAP_KILL]}}}",
			key: "app.securityContext.capabilities", why: "KILL"},
		{name: "an image's user that changes to another without KILL", yaml: "app: {image: {repository: redis}, command: [a], securityContext: {capabilities: {drop: [ALL], add: [SETUID, SETGID]}}}",
			key: "app.securityContext.capabilities", why: "KILL"},
		{name: "a port of the gate's number", yaml: "app: {image: {repository: redis}, command: [a], ports: {http: 9999}}", key: "app.ports.http", why: "gate.statusPort"},
		{name: "a port of the gate's name", yaml: "app: {image: {repository: redis}, command: [a], ports: {gate-status: 80}}", key: "app.ports.gate-status"},
		{name: "a port twice", yaml: "app: {image: {repository: redis}, command: [a], ports: {a: 80, b: 80}}", key: "app.ports.b", why: "app.ports.a"},
		{name: "a port named by a number", yaml: `app: {image: {repository: redis}, command: [a], ports: {"80": 80}}`, key: "app.ports.80", why: "letter"},
		{name: "a Service port of no port", yaml: app + "service: {ports: {http: 80}}", key: "service.ports.http", why: "app.ports"},
		{name: "a headless NodePort", yaml: "app: {image: {repository: redis}, command: [a], ports: {a: 80}}\nservice: {headless: true, type: NodePort}", key: "service.headless", why: "ClusterIP"},
		{name: "a probe of no port", yaml: "app: {image: {repository: redis}, command: [a], probes: {readiness: {httpGet: {port: http}}}}", key: "app.probes.readiness.httpGet.port", why: "app.ports is empty"},
		{name: "a probe of two kinds", yaml: "app: {image: {repository: redis}, command: [a], probes: {liveness: {tcpSocket: {port: 1}, grpc: {port: 2}}}}", key: "app.probes.liveness", why: "exactly one"},
		{name: "a probe of no kind", yaml: "app: {image: {repository: redis}, command: [a], probes: {startup: {periodSeconds: 1}}}", key: "app.probes.startup", why: "exactly one"},
		{name: "a liveness probe that has to pass twice", yaml: "app: {image: {repository: redis}, command: [a], probes: {liveness: {tcpSocket: {port: 1}, successThreshold: 2}}}", key: "app.probes.liveness.successThreshold"},
		{name: "a grace period of a readiness probe", yaml: "app: {image: {repository: redis}, command: [a], probes: {readiness: {tcpSocket: {port: 1}, terminationGracePeriodSeconds: 2}}}", key: "app.probes.readiness.terminationGracePeriodSeconds"},
		{name: "a variable of the gate's", yaml: "app: {image: {repository: redis}, command: [a], env: {K8S_AWAIT_ELECTION_NAME: x}}", key: "app.env.K8S_AWAIT_ELECTION_NAME", why: "gate.extraEnv"},
		{name: "a variable in two places", yaml: "app: {image: {repository: redis}, command: [a], env: {A: 1}}\ngate: {extraEnv: {A: 2}}", key: "app.env.A", why: "gate.extraEnv"},
		{name: "a Service for all behind a gate", yaml: app + "service: {mode: all}", key: "service.mode", why: "standbys"},
		{name: "a sidecar's file behind a gate", yaml: app + "sidecar: {statusFile: /run/election/leader}", key: "sidecar.statusFile", why: "mode=sidecar"},
		{name: "a label that says the same of all", yaml: app + "election: {podLabel: role=standby}", key: "election.podLabel", why: "standby"},
		{name: "a label that all Pods have", yaml: app + "election: {podLabel: role}\npodLabels: {role: leader}", key: "election.podLabel", why: "podLabels"},
		{name: "a label that the selectors have", yaml: app + "election: {podLabel: app.kubernetes.io/name=a/b}", key: "election.podLabel", why: "the chart"},
		{name: "a stop signal beside a sidecar", yaml: sidecar + "app: {image: {repository: redis}, stopSignal: QUIT}", key: "app.stopSignal", why: "STOPSIGNAL"},
		{name: "a baked sidecar", yaml: sidecar + image + "gate: {delivery: baked}", key: "gate.delivery", why: "a container of its own"},
		{name: "slices beside a sidecar", yaml: sidecar + image + "service: {mode: slices}", key: "service.mode", why: "podLabel"},
		{name: "a file at the root", yaml: sidecar + image + "sidecar: {statusFile: /leader}", key: "sidecar.statusFile", why: "a folder of its own"},
		{name: "a file that is relative", yaml: sidecar + image + "sidecar: {statusFile: run/leader}", key: "sidecar.statusFile", why: "full path"},
		{name: "a file that is a folder", yaml: sidecar + image + "sidecar: {statusFile: /run/leader/}", key: "sidecar.statusFile", why: "full path"},
		{name: "a folder that is the root", yaml: sidecar + image + "sidecar: {statusDir: //}", key: "sidecar.statusDir", why: "a folder of its own"},
		{name: "a folder that is relative", yaml: sidecar + image + "sidecar: {statusDir: tmp/leader}", key: "sidecar.statusDir", why: "full path"},
		{name: "a file and a folder", yaml: sidecar + image + "sidecar: {statusDir: /a, statusFile: /b/c}", key: "sidecar.statusDir", why: "sidecar.statusFile"},
		{name: "the expiry in no file", yaml: sidecar + image + "sidecar: {statusFileExpiry: true}", key: "sidecar.statusFileExpiry", why: "there is none"},
		{name: "a sidecar without an image", yaml: sidecar, key: "app.image.repository"},
		{name: "a sidecar that shares processes", yaml: sidecar + image + "shareProcessNamespace: true", key: "shareProcessNamespace", why: "its own lease"},
		{name: "a port in capitals", yaml: app, set: []string{"app.ports.HTTP=80"}, key: "app.ports.HTTP", why: "lower-case"},
		{name: "a port with a long name", yaml: app, set: []string{"app.ports.abcdefghijklmnop=80"}, key: "app.ports.abcdefghijklmnop", why: "15"},
		{name: "a port with two hyphens", yaml: app, set: []string{"app.ports.a--b=80"}, key: "app.ports.a--b", why: "single hyphens"},
		{name: "a port that ends with a hyphen", yaml: app + "service: {ports: {A-: 80}}", set: []string{"app.ports.a-=80"}, key: "app.ports.a-", why: "inside"},
		{name: "a Service port in capitals", yaml: app + "service: {ports: {HTTP: 80}}", key: "service.ports.HTTP", why: "no such port"},
		{name: "a variable with an equals sign", yaml: "app: {image: {repository: redis}, command: [a], env: {A=B: 1}}", key: "app.env.A=B", why: "printable"},
		{name: "a variable without a name", yaml: `app: {image: {repository: redis}, command: [a], env: {"": 1}}`, key: "app.env.", why: "printable"},
		{name: "a variable of the gate's with a letter of its own", yaml: app + "gate: {extraEnv: {ÄRGER: 1}}", key: "gate.extraEnv.ÄRGER", why: "printable"},
		{name: "a sidecar that is to start a command", yaml: sidecar + image + `gate: {extraEnv: {K8S_AWAIT_ELECTION_ENABLED: 1}}`, key: "gate.extraEnv.K8S_AWAIT_ELECTION_ENABLED", why: "mode gate"},
		{name: "a lease of half a second", yaml: app + "election: {leaseDuration: 0.5}", key: "election.leaseDuration", why: "a second at least"},
		{name: "a lease of nothing", yaml: app + "election: {leaseDuration: 0s}", key: "election.leaseDuration", why: "more than zero"},
		{name: "a deadline behind the lease", yaml: app + "election: {leaseDuration: 3, renewDeadline: 3000ms}", key: "election.renewDeadline", why: "outlive"},
		{name: "a period behind the deadline", yaml: app + "election: {retryPeriod: 14s}", key: "election.retryPeriod", why: "second try"},
		{name: "a signal that is none", yaml: app, set: []string{"app.stopSignal=FOO"}, key: "app.stopSignal", why: "no signal"},
		{name: "a signal of a great number", yaml: app, set: []string{"app.stopSignal=99"}, key: "app.stopSignal", why: "no signal"},
		{name: "a signal that halts", yaml: app, set: []string{"app.stopSignal=SIGSTOP"}, key: "app.stopSignal", why: "ends a command"},
		{name: "two Service ports of one number", yaml: "app: {image: {repository: redis}, command: [a], ports: {a: 80, b: 81}}\nservice: {ports: {b: 80}}", key: "service.ports.b", why: "service.ports.a"},
		{name: "a node port of no node", yaml: "app: {image: {repository: redis}, command: [a], ports: {a: 80}}\nservice: {ports: {a: {nodePort: 30080}}}", key: "service.ports.a.nodePort", why: "service.type is ClusterIP"},
		{name: "a key of the chart's among the Service's", yaml: app, set: []string{"service.spec.type=NodePort"}, key: "service.spec.type", why: "service.type"},
		{name: "a headless Service by hand", yaml: app, set: []string{"service.spec.clusterIP=None"}, key: "service.spec.clusterIP", why: "service.headless"},
		{name: "a key of the chart's among the Pod's", yaml: app, set: []string{"podSpec.nodeSelector.disk=ssd"}, key: "podSpec.nodeSelector", why: "nodeSelector"},
		{name: "containers among the Pod's keys", yaml: app, setJSON: []string{`podSpec.containers=[{"name":"a"}]`}, key: "podSpec.containers", why: "extraContainers"},
		{name: "the host's processes among the Pod's keys", yaml: app, set: []string{"podSpec.hostPID=true"}, key: "podSpec.hostPID", why: "first process"},
		{name: "shared processes among the Pod's keys", yaml: sidecar + image, set: []string{"podSpec.shareProcessNamespace=true"}, key: "podSpec.shareProcessNamespace", why: "first process"},
		{name: "a token for all containers", yaml: app, set: []string{"podSpec.automountServiceAccountToken=true"}, key: "podSpec.automountServiceAccountToken", why: "one container"},
		{name: "a name that makes no label", yaml: app + "nameOverride: " + strings.Repeat("a", 59), key: "nameOverride", why: "58"},
		{name: "a probe of too great a port", yaml: `app: {image: {repository: redis}, command: [a], probes: {liveness: {tcpSocket: {port: "99999"}}}}`, key: "app.probes.liveness.tcpSocket.port", why: "65535"},
		{name: "a Deployment's strategy of a StatefulSet", yaml: app + "kind: StatefulSet\nstrategy: {type: Recreate}", key: "strategy.type", why: "OnDelete"},
		{name: "a StatefulSet's strategy of a Deployment", yaml: app + "strategy: {type: OnDelete}", key: "strategy.type", why: "Recreate"},
		{name: "a second container app", yaml: app + "extraContainers: [{name: app, image: a}]", key: "extraContainers", why: "a container of the chart"},
		{name: "a second installer", yaml: app + "extraInitContainers: [{name: k8s-await-election, image: a}]", key: "extraInitContainers", why: "a container of the chart"},
		{name: "the gate over the root", yaml: app + "gate: {mountPath: //}", key: "gate.mountPath", why: "hide"},
		{name: "the gate over the processes", yaml: app + "gate: {mountPath: /proc/}", key: "gate.mountPath", why: "hide"},
		{name: "rights for everybody's account", yaml: app + "serviceAccount: {create: false}", key: "serviceAccount.name", why: "default"},
		{name: "volumes of their own without a StatefulSet", yaml: app + "volumeClaimTemplates: [{metadata: {name: a}}]", key: "volumeClaimTemplates", why: "kind=StatefulSet"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			checkRefusal(t, input{yaml: row.yaml, set: row.set, setJSON: row.setJSON}, row.key, row.why)
		})
	}
}

// checkRefusal wants a sentence about the key, which says why and gives an example;
// one that is typed as it stands, --set, has to help.
func checkRefusal(t *testing.T, in input, key, why string) {
	t.Helper()
	_, err := tryRender(t, in)
	if err == nil {
		t.Fatal("rendered")
	}
	said := sentence(err, key)
	_, example, is := strings.Cut(said, "Example: ")
	if !is || !strings.Contains(said, why) {
		t.Fatalf("want a sentence that names %s, says %q and gives an example; got %v", key, why, err)
	}
	if !strings.HasPrefix(example, "--set ") {
		return
	}
	for alternative := range strings.SplitSeq(strings.TrimSpace(example), ", or ") {
		words, typed := strings.CutPrefix(alternative, "--set ")
		if !typed {
			continue
		}
		in := in
		in.set = slices.Clone(in.set)
		for set := range strings.SplitSeq(words, " --set ") {
			in.set = append(in.set, strings.Trim(set, "'"))
		}
		if _, err := tryRender(t, in); err != nil && (sentence(err, key) != "" || !strings.Contains(err.Error(), "Example: ")) {
			t.Errorf("who follows %q finds: %v", alternative, err)
		}
	}
}

// sentence is the line of a refusal that begins with the key.
func sentence(err error, key string) string {
	for line := range strings.Lines(err.Error()) {
		if rest, is := strings.CutPrefix(strings.TrimPrefix(line, "- "), key); is && strings.ContainsAny(rest[:1], " :") {
			return line
		}
	}
	return ""
}

func TestRefusals_AreNoneOfWhatOnlyLooksLikeIt(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"namespaces that are not shared": "shareProcessNamespace: false\nhostPID: false\napp: {image: {repository: redis}, command: [a]}",
		"an empty lifecycle":             "app: {image: {repository: redis}, command: [a], lifecycle: {}}",
		"root with KILL":                 "app: {image: {repository: redis}, command: [a], securityContext: {runAsUser: 0, capabilities: {drop: [ALL], add: [KILL]}}}",
		"a user without KILL":            "app: {image: {repository: redis}, command: [a], securityContext: {runAsUser: 7, capabilities: {drop: [ALL]}}}\npodSecurityContext: {runAsUser: 0}",
		"an unknown user without KILL":   "app: {image: {repository: redis}, command: [a], securityContext: {capabilities: {drop: [ALL]}}}",
		"a lifecycle beside a sidecar":   "mode: sidecar\napp: {image: {repository: redis}, lifecycle: {preStop: {sleep: {seconds: 5}}}}",
		"root without KILL, and no gate": "mode: sidecar\napp: {image: {repository: redis}, securityContext: {runAsUser: 0, capabilities: {drop: [ALL]}}}",
		"a variable in two containers":   "mode: sidecar\napp: {image: {repository: redis}, env: {A: 1}}\ngate: {extraEnv: {A: 2}}",
		"one number of two protocols":    "app: {image: {repository: redis}, command: [a], ports: {a: 53, b: {containerPort: 53, protocol: UDP}}}",
		"variables taken out":            "app: {image: {repository: redis}, command: [a], env: {K8S_AWAIT_ELECTION_NAME: null, A: 1, B: null}}\ngate: {extraEnv: {A: null, B: 2}}",
		"the root's user, taken out":     "app: {image: {repository: redis}, command: [a], securityContext: {runAsUser: null, capabilities: {drop: [ALL]}}}",
		"a lease of a second":            "app: {image: {repository: redis}, command: [a]}\nelection: {leaseDuration: 1}",
		"the gate's number by UDP":       "app: {image: {repository: redis}, command: [a], ports: {a: {containerPort: 9999, protocol: UDP}}}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			render(t, input{yaml: text})
		})
	}
}

func TestRefusals_TellAllMistakesAtOnce(t *testing.T) {
	t.Parallel()
	_, err := tryRender(t, input{yaml: "hostPID: true\napp: {lifecycle: {a: b}}"})
	if err == nil {
		t.Fatal("rendered")
	}
	for _, key := range []string{"app.image.repository", "app.command", "app.lifecycle", "hostPID"} {
		if sentence(err, key) == "" {
			t.Errorf("%s is not named: %v", key, err)
		}
	}
}

func TestRefusals_IncludeAClusterThatIsTooOld(t *testing.T) {
	t.Parallel()
	in := input{set: twoValues, kube: "v1.33.9"}
	if _, err := tryRender(t, in); err == nil || !strings.Contains(err.Error(), "1.34") {
		t.Errorf("1.33: %v", err)
	}
	for _, version := range []string{"v1.34.0", "v1.34.1-gke.100", "v1.36.1", "v1.40.0-alpha.1"} {
		in.kube = version
		render(t, in)
	}
}

// The name of a Service could not begin with a digit before 1.36.
func TestRefusals_IncludeNamesThatAClusterDoesNotTake(t *testing.T) {
	t.Parallel()
	in := input{set: twoValues, release: "1234"}
	for version, takes := range map[string]bool{
		"v1.34.4": false, "v1.35.9": false, "v1.35.1-eks-1a2b": false, "v1.36.0": true, "v1.37.1-gke.100": true,
	} {
		in.kube = version
		if takes {
			render(t, in)
		} else {
			checkRefusal(t, in, "fullnameOverride", "1234")
		}
	}
}

// leaf is a key of values.yaml, with its default.
type leaf struct {
	path  []string
	value any
}

func (l leaf) String() string { return strings.Join(l.path, ".") }

// keys are all keys of values.yaml, the maps among them too.
func keys(t *testing.T) []leaf {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var defaults map[string]any
	if err := yaml.Unmarshal(text, &defaults); err != nil {
		t.Fatal(err)
	}
	var found []leaf
	var walk func(path []string, fields map[string]any)
	walk = func(path []string, fields map[string]any) {
		for _, key := range slices.Sorted(maps.Keys(fields)) {
			here := append(slices.Clone(path), key)
			found = append(found, leaf{here, fields[key]})
			// What is in a map of Kubernetes' own the API server knows best.
			if inner, is := fields[key].(map[string]any); is && !isFree(leaf{path: here}.String()) {
				walk(here, inner)
			}
		}
	}
	walk(nil, defaults)
	if len(found) < 70 {
		t.Fatalf("%d keys in values.yaml", len(found))
	}
	return found
}

// with is a values file with one key changed, and all that is required.
func with(t *testing.T, path []string, value any) string {
	t.Helper()
	given := map[string]any{"app": map[string]any{
		"image": map[string]any{"repository": "redis"}, "command": []any{"redis-server"}, "ports": map[string]any{"redis": 6379},
	}}
	// Objects that are off by default read their values only when on.
	for _, optional := range []string{"networkPolicy", "podMonitor", "grafanaDashboard"} {
		given[optional] = map[string]any{"enabled": true}
	}
	fields := given
	for _, key := range path[:len(path)-1] {
		inner, is := fields[key].(map[string]any)
		if !is {
			inner = map[string]any{}
			fields[key] = inner
		}
		fields = inner
	}
	fields[path[len(path)-1]] = value
	text, err := json.Marshal(given)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Helm takes a key out that is null, so that templates find nothing where they
// look for something.
func TestValues_ThatAreNullAreTheDefaultOrNamed(t *testing.T) {
	t.Parallel()
	for _, key := range keys(t) {
		t.Run(key.String(), func(t *testing.T) {
			t.Parallel()
			_, err := tryRender(t, input{yaml: with(t, key.path, nil)})
			if err == nil {
				return
			}
			last := key.path[len(key.path)-1]
			if strings.Contains(err.Error(), "nil pointer") || strings.Contains(err.Error(), "error calling") || !strings.Contains(err.Error(), last) {
				t.Errorf("not a refusal that helps: %v", err)
			}
		})
	}
}

func TestValues_OfAWrongTypeAreNamed(t *testing.T) {
	t.Parallel()
	for _, key := range keys(t) {
		for _, wrong := range []any{map[string]any{"bogus": []any{1}}, []any{[]any{1}}, "\x01 not this", 1.5, true} {
			if isRight(key, wrong) {
				continue
			}
			t.Run(fmt.Sprintf("%s=%v", key, wrong), func(t *testing.T) {
				t.Parallel()
				_, err := tryRender(t, input{yaml: with(t, key.path, wrong)})
				if err == nil {
					t.Fatal("rendered")
				}
				if !strings.Contains(err.Error(), "/"+strings.Join(key.path, "/")) {
					t.Errorf("the key is not named: %v", err)
				}
			})
		}
	}
}

// isRight tells whether a value of the wrong type is none: it is of the type of
// the default, or of another that the key takes.
func isRight(key leaf, value any) bool {
	if fmt.Sprintf("%T", key.value) == fmt.Sprintf("%T", value) {
		return true
	}
	switch key.String() {
	case "app.image.tag", "gate.image.tag": // texts, numbers and booleans
		return fmt.Sprintf("%T", value) != "map[string]interface {}" && fmt.Sprintf("%T", value) != "[]interface {}"
	case "election.leaseDuration", "election.renewDeadline", "election.retryPeriod":
		return value == 1.5
	}
	return false
}

func TestValues_ThatAreUnknownAreNamed(t *testing.T) {
	t.Parallel()
	paths := [][]string{{"bogus"}}
	for _, key := range keys(t) {
		if _, is := key.value.(map[string]any); is && !isFree(key.String()) {
			paths = append(paths, append(slices.Clone(key.path), "bogus"))
		}
	}
	for _, path := range paths {
		t.Run(strings.Join(path, "."), func(t *testing.T) {
			t.Parallel()
			_, err := tryRender(t, input{yaml: with(t, path, "x")})
			if err == nil {
				t.Fatal("rendered")
			}
			if !strings.Contains(err.Error(), "bogus") {
				t.Errorf("the key is not named: %v", err)
			}
		})
	}
}

// isFree tells whether a map has keys of the user's choice, or those of an object
// of Kubernetes, which the API server knows best.
func isFree(key string) bool {
	for _, end := range []string{
		"env", "extraEnv", "ports", "abels", "nnotations", "nodeSelector", // names
		"ecurityContext", "lifecycle", "podSpec", "service.spec", "affinity", "strategy", "requests", "limits", "capabilities", "seccompProfile", // Kubernetes'
	} {
		if strings.HasSuffix(key, end) {
			return key != "app.ports" && key != "service.ports" // a port is a number
		}
	}
	return false
}
