package apiserver

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// auditPolicy notes who asked for what when a request arrives, and the answer's
// code when it is done; not the API server's own requests to itself.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [ResponseStarted]
rules:
- level: None
  users: ["system:apiserver", "system:anonymous"]
- level: Metadata
`

// Request is one line of the API server's audit log.
type Request struct {
	// Stage is RequestReceived when the request arrived, and ResponseComplete
	// when it was done: for a watch that is when it ended. To count requests,
	// count one of the two.
	Stage string `json:"stage"`
	// AuditID ties the stages of one request together.
	AuditID string `json:"auditID"`
	// Verb is that of RBAC: get, list, watch, create, update, patch, delete.
	Verb       string `json:"verb"`
	RequestURI string `json:"requestURI"`
	UserAgent  string `json:"userAgent"`
	User       struct {
		Username string `json:"username"`
	} `json:"user"`
	ObjectRef struct {
		Resource    string `json:"resource"`
		Subresource string `json:"subresource"`
		Namespace   string `json:"namespace"`
		Name        string `json:"name"`
	} `json:"objectRef"`
	ResponseStatus struct {
		Code int `json:"code"`
	} `json:"responseStatus"`
	Received time.Time `json:"requestReceivedTimestamp"`
	Staged   time.Time `json:"stageTimestamp"`
}

// Requests are the audit log's lines so far, oldest first, of one user, or of
// all where user is empty. The log has the line before the answer is sent.
func (s *Server) Requests(user string) ([]Request, error) {
	file, err := os.Open(s.auditLog())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the audit log: %w", err)
	}
	defer func() { _ = file.Close() }()
	var requests []Request
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r Request
		if json.Unmarshal(lines.Bytes(), &r) != nil {
			break // the last line, half written
		}
		if user == "" || r.User.Username == user {
			requests = append(requests, r)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the audit log: %w", err)
	}
	return requests, nil
}

// auditLog survives restarts of the API server, which appends to it.
func (s *Server) auditLog() string { return filepath.Join(s.dir, "audit.log") }
