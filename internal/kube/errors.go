package kube

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8s-await-election/k8s-await-election/internal/elector"
)

// answerError is an answer of the API server that is no success.
type answerError struct {
	request request
	code    int
	status  metav1.Status // zero where the answer was no Status object
}

// throttledError is an answerError with a Retry-After.
type throttledError struct {
	*answerError
	after time.Duration
}

// RetryAfter is how long the server asked to be left alone.
func (e *throttledError) RetryAfter() time.Duration { return e.after }

func (e *throttledError) Unwrap() error { return e.answerError }

func readError(r request, answer *http.Response) error {
	e := &answerError{request: r, code: answer.StatusCode}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err == nil {
		e.status = parseStatus(text)
	}
	seconds, err := strconv.Atoi(answer.Header.Get("Retry-After"))
	if err == nil && seconds > 0 && seconds < int(time.Hour/time.Second) {
		return &throttledError{answerError: e, after: time.Duration(seconds) * time.Second}
	}
	return e
}

// parseStatus reads a Status object; whatever is none, such as the page of a
// proxy, is the zero Status.
func parseStatus(text []byte) metav1.Status {
	var status metav1.Status
	if json.Unmarshal(text, &status) != nil || status.Kind != "Status" {
		return metav1.Status{}
	}
	return status
}

func (e *answerError) Error() string {
	r := e.request
	text := fmt.Sprintf("%s %s: %d", r.verb, r.object(), e.code)
	if e.status.Reason != "" {
		text += " " + oneLine(string(e.status.Reason))
	} else if known := http.StatusText(e.code); known != "" {
		text += " " + known
	}
	if e.status.Message != "" {
		text += ": " + oneLine(e.status.Message)
	}
	switch {
	case e.namespaceMissing():
		text += fmt.Sprintf(": make the namespace (kubectl create namespace %s) or correct its name", r.namespace)
	case e.code == http.StatusUnauthorized:
		text += ": the API server does not accept this client's credentials: look at the user of the kubeconfig, or at the service account of the Pod"
	case e.code == http.StatusForbidden && !e.namespaceEnds():
		text += ": " + e.remedy()
	}
	return text
}

// maxQuoted is how much of a text of somebody else's stands in a message, in bytes.
const maxQuoted = 1024

// oneLine is what an admission webhook, or who else answers, wrote. It is anybody's
// text: a page of it would not be read, and lines in it would pass for log lines.
func oneLine(text string) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	if len(text) > maxQuoted {
		text = strings.ToValidUTF8(text[:maxQuoted], "") + "…"
	}
	return text
}

// remedy is the rule to add. Conditional, because quotas and admission plugins
// refuse with the same code and reason.
func (e *answerError) remedy() string {
	r := e.request
	verbs := r.needs
	if verbs == nil {
		verbs = []string{r.verb}
	}
	name := ""
	if r.byName {
		name = r.name
	}
	return fmt.Sprintf("if a right is missing, add to a Role in namespace %s, bound to this user: %s", r.namespace, r.resource.rule(name, verbs...))
}

// Is makes a refusal elector.ErrForbidden.
func (e *answerError) Is(target error) bool {
	return target == elector.ErrForbidden && e.code == http.StatusForbidden
}

// namespaceMissing: the namespace, not the object, does not exist.
func (e *answerError) namespaceMissing() bool {
	return e.code == http.StatusNotFound && e.status.Details != nil && e.status.Details.Kind == "namespaces"
}

// namespaceEnds: nothing can be created in a namespace that is being deleted.
func (e *answerError) namespaceEnds() bool {
	return e.has(func(cause metav1.StatusCause) bool { return cause.Type == "NamespaceTerminating" })
}

// absent: the object does not exist. A 404 of something else, such as a proxy
// that does not know the path, is not that.
func (e *answerError) absent() bool {
	return e.code == http.StatusNotFound && e.status.Reason == metav1.StatusReasonNotFound &&
		e.status.Details != nil && e.status.Details.Kind == e.request.resource.plural
}

// exists: a PUT without a resourceVersion met an object that can only be updated
// with one.
func (e *answerError) exists() bool {
	return e.code == http.StatusUnprocessableEntity &&
		e.has(func(cause metav1.StatusCause) bool { return cause.Field == "metadata.resourceVersion" })
}

func (e *answerError) has(is func(metav1.StatusCause) bool) bool {
	if e.status.Details == nil {
		return false
	}
	for _, cause := range e.status.Details.Causes {
		if is(cause) {
			return true
		}
	}
	return false
}

// errUnconditional: an API server gives every object these, so it was not one that
// answered.
var errUnconditional = errors.New("the answer has no name, uid or resourceVersion, on which a write could be conditional: look for a proxy before the API server")

// answered is the answer behind an error, nil where there was none.
func answered(err error) *answerError {
	var e *answerError
	if errors.As(err, &e) {
		return e
	}
	return nil
}

// isAbsent, isForbidden and code tell errors of Client.do apart.
func isAbsent(err error) bool {
	e := answered(err)
	return e != nil && e.absent()
}

func isForbidden(err error) bool { return errors.Is(err, elector.ErrForbidden) }

func code(err error) int {
	if e := answered(err); e != nil {
		return e.code
	}
	return 0
}
