// SPDX-License-Identifier: Apache-2.0

package test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
)

// A cluster holds objects, by their names.
type cluster struct {
	jobs   map[string]*batch.Job
	maps   map[string]*core.ConfigMap
	claims map[string]*core.PersistentVolumeClaim
}

// apply creates the objects with a fake client, and reads them back.
func apply(ctx context.Context, objects []runtime.Object) (cluster, error) {
	const ns = "lab"
	c := fake.NewClientset()
	out := cluster{map[string]*batch.Job{}, map[string]*core.ConfigMap{}, map[string]*core.PersistentVolumeClaim{}}
	for _, o := range objects {
		var err error
		switch o := o.(type) {
		case *batch.Job:
			_, err = c.BatchV1().Jobs(ns).Create(ctx, o, meta.CreateOptions{})
		case *core.ConfigMap:
			_, err = c.CoreV1().ConfigMaps(ns).Create(ctx, o, meta.CreateOptions{})
		case *core.PersistentVolumeClaim:
			_, err = c.CoreV1().PersistentVolumeClaims(ns).Create(ctx, o, meta.CreateOptions{})
		default:
			err = fmt.Errorf("an object of kind %s", o.GetObjectKind().GroupVersionKind().Kind)
		}
		if err != nil {
			return out, err
		}
	}
	jobs, err := c.BatchV1().Jobs(ns).List(ctx, meta.ListOptions{})
	if err != nil {
		return out, err
	}
	for _, j := range jobs.Items {
		out.jobs[j.Name] = &j
	}
	configs, err := c.CoreV1().ConfigMaps(ns).List(ctx, meta.ListOptions{})
	if err != nil {
		return out, err
	}
	for _, m := range configs.Items {
		out.maps[m.Name] = &m
	}
	claims, err := c.CoreV1().PersistentVolumeClaims(ns).List(ctx, meta.ListOptions{})
	if err != nil {
		return out, err
	}
	for _, p := range claims.Items {
		out.claims[p.Name] = &p
	}
	return out, nil
}

// checkShards returns an error unless the named Job makes each shard of a plan once.
func (c cluster) checkShards(name string, shards int) error {
	j := c.jobs[name]
	if j == nil {
		return fmt.Errorf("there is no Job %s", name)
	}
	s := j.Spec
	switch {
	case s.CompletionMode == nil || *s.CompletionMode != batch.IndexedCompletion:
		return errors.New("the Job is not Indexed")
	case s.Completions == nil || int(*s.Completions) != shards:
		return fmt.Errorf("the Job has %d completions, and the plan %d shards", *s.Completions, shards)
	case s.Parallelism == nil || *s.Parallelism < 1 || *s.Parallelism > *s.Completions:
		return fmt.Errorf("parallelism %d is not within 1 and %d", *s.Parallelism, *s.Completions)
	case s.PodFailurePolicy != nil && s.Template.Spec.RestartPolicy != core.RestartPolicyNever:
		return errors.New("a policy for failed pods needs restartPolicy Never")
	case s.BackoffLimitPerIndex == nil:
		return errors.New("FailIndex needs backoffLimitPerIndex")
	}
	for _, p := range c.jobs {
		if err := c.checkVolumes(p.Spec.Template.Spec); err != nil {
			return fmt.Errorf("job %s: %w", p.Name, err)
		}
	}
	return nil
}

// variable is what Kubernetes replaces in a container's arguments.
var variable = regexp.MustCompile(`\$\((\w+)\)`)

// checkVolumes returns an error unless each mount has a volume, each volume what it names, and each argument its variables.
func (c cluster) checkVolumes(p core.PodSpec) error {
	volumes := map[string]bool{}
	for _, v := range p.Volumes {
		volumes[v.Name] = true
		if v.ConfigMap != nil && c.maps[v.ConfigMap.Name] == nil {
			return fmt.Errorf("there is no ConfigMap %s", v.ConfigMap.Name)
		}
		if v.PersistentVolumeClaim != nil && c.claims[v.PersistentVolumeClaim.ClaimName] == nil {
			return fmt.Errorf("there is no claim %s", v.PersistentVolumeClaim.ClaimName)
		}
		if v.HostPath != nil {
			return fmt.Errorf("volume %s is a path of the node", v.Name)
		}
	}
	for _, ctr := range slices.Concat(p.InitContainers, p.Containers) {
		for _, v := range variable.FindAllStringSubmatch(strings.Join(ctr.Args, " "), -1) {
			if !slices.ContainsFunc(ctr.Env, func(e core.EnvVar) bool { return e.Name == v[1] }) {
				return fmt.Errorf("container %s has no variable %s", ctr.Name, v[1])
			}
		}
		for _, m := range ctr.VolumeMounts {
			if !volumes[m.Name] {
				return fmt.Errorf("container %s mounts %s, which is no volume", ctr.Name, m.Name)
			}
		}
	}
	return nil
}

// privileges lists what a pod asks for beyond the profile "restricted" of the Pod Security Standards, and a root file system that can be written.
func privileges(p core.PodSpec) (out []string) {
	add := func(bad bool, text string) {
		if bad {
			out = append(out, text)
		}
	}
	pod := p.SecurityContext
	if pod == nil {
		pod = &core.PodSecurityContext{}
	}
	add(pod.RunAsNonRoot == nil || !*pod.RunAsNonRoot, "root")
	add(pod.RunAsUser != nil && *pod.RunAsUser == 0, "root")
	add(pod.SeccompProfile == nil || pod.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault, "system calls")
	add(p.HostNetwork || p.HostPID || p.HostIPC, "the node's namespaces")
	add(p.AutomountServiceAccountToken == nil || *p.AutomountServiceAccountToken, "a token of the cluster")
	for _, ctr := range slices.Concat(p.InitContainers, p.Containers) {
		s := ctr.SecurityContext
		if s == nil {
			s = &core.SecurityContext{}
		}
		add(s.Privileged != nil && *s.Privileged, "privileged")
		add(s.RunAsUser != nil && *s.RunAsUser == 0, "root")
		add(s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation, "escalation")
		add(s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem, "a root file system to write")
		add(s.Capabilities == nil || !slices.Equal(s.Capabilities.Drop, []core.Capability{"ALL"}) || len(s.Capabilities.Add) > 0, "capabilities")
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// TestKustomize: the example makes each shard of its plan once, with no privileges; planted faults are found.
func TestKustomize(t *testing.T) {
	objects, err := renderKustomize(t, 8, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := apply(t.Context(), objects)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.checkShards("kxlab", 8); err != nil {
		t.Error(err)
	}
	for name, j := range c.jobs {
		if p := privileges(j.Spec.Template.Spec); len(p) > 0 {
			t.Errorf("job %s asks for %q", name, p)
		}
		if image := j.Spec.Template.Spec.Containers[0].Image; image != "registry.example/kxlab:latest" {
			t.Errorf("job %s has the image %s, not that of the example", name, image)
		}
	}
	if m := c.jobs["kxlab-merge"]; m == nil || m.Spec.Suspend == nil || !*m.Spec.Suspend {
		t.Error("the merge does not wait")
	}
	if err := c.checkShards("kxlab", 7); err == nil || !strings.Contains(err.Error(), "8 completions, and the plan 7 shards") {
		t.Errorf("a wrong number of shards: %v", err)
	}
	for _, tt := range []struct{ from, to, want string }{
		{"completionMode: Indexed", "completionMod: Indexed", `unknown field "spec.completionMod"`},
		{"readOnlyRootFilesystem: true", "readOnlyRootFilesystem: true\n            readOnly: true", "unknown field"},
		{"completionMode: Indexed", "completionMode: NonIndexed", "is not Indexed"},
		{"value: 4}", "value: 9}", "parallelism 9 is not within 1 and 8"},
		{"claimName: kxlab-results", "claimName: other", "there is no claim other"},
		{"- name: POD", "- name: PO", "has no variable POD"},
		{"name: plan, mountPath", "name: plans, mountPath", "mounts plans, which is no volume"},
		{"  - name: kxlab-plan", "  - name: kxlab-plans", "there is no ConfigMap kxlab-plan"},
	} {
		objects, err := renderKustomize(t, 8, func(_, text string) string { return strings.ReplaceAll(text, tt.from, tt.to) })
		if err == nil {
			c, err = apply(t.Context(), objects)
		}
		if err == nil {
			err = c.checkShards("kxlab", 8)
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q for %q: got %v, want %q", tt.to, tt.from, err, tt.want)
		}
	}
	for from, to := range map[string]string{"drop: [ALL]": "add: [SYS_ADMIN]", "runAsNonRoot: true": "runAsNonRoot: false", "allowPrivilegeEscalation: false": "privileged: true"} {
		objects, err := renderKustomize(t, 8, func(_, text string) string { return strings.ReplaceAll(text, from, to) })
		if err != nil {
			t.Fatal(err)
		}
		if c, err = apply(t.Context(), objects); err != nil || len(privileges(c.jobs["kxlab"].Spec.Template.Spec)) == 0 {
			t.Errorf("%s is not noticed: %v", to, err)
		}
	}
}

// TestChart: the chart makes each shard of a plan, or of experiments, with no privileges on target exact; host has them only if both values ask.
func TestChart(t *testing.T) {
	host := []string{"a root file system to write", "capabilities", "escalation", "privileged", "root", "system calls"}
	kind := map[string]any{"kind": "m7i"}
	words := []any{"prog", "--profile", "smoke"}
	for name, tt := range map[string]struct {
		values     map[string]any
		shards     int
		privileges []string
		run, merge string // the words behind --out of shards, and the first of merge
		wrong      string
	}{
		"a plan":              {values: map[string]any{"plan": plan(3)}, shards: 3, run: "/results/night/shards/$(JOB_COMPLETION_INDEX)", merge: "/results/night/shards"},
		"experiments":         {values: map[string]any{"experiments": words, "shards": 5}, shards: 5, run: "/results/night/shards/$(JOB_COMPLETION_INDEX)", merge: "/results/night/shards"},
		"two at once":         {values: map[string]any{"plan": plan(3), "parallelism": 2}, shards: 3, run: "/results/night/shards/$(JOB_COMPLETION_INDEX)", merge: "/results/night/shards"},
		"more than shards":    {values: map[string]any{"plan": plan(3), "parallelism": 7}, shards: 3, run: "/results/night/shards/$(JOB_COMPLETION_INDEX)", merge: "/results/night/shards"},
		"nodes of a kind":     {values: map[string]any{"plan": plan(1), "nodeSelector": kind}, shards: 1, run: "/results/night/shards/$(JOB_COMPLETION_INDEX)", merge: "/results/night/shards"},
		"a bucket":            {values: map[string]any{"plan": plan(2), "results": map[string]any{"url": "s3://b/run?region=x"}}, shards: 2, run: "s3://b/run/shards/$(JOB_COMPLETION_INDEX)?region=x", merge: "s3://b/run/shards?region=x"},
		"a registry":          {values: map[string]any{"plan": plan(2), "results": map[string]any{"url": "oci://r/run", "secret": "s"}}, shards: 2, run: "oci://r/run:shard-$(JOB_COMPLETION_INDEX)", merge: "oci://r/run"},
		"an open registry":    {values: map[string]any{"plan": plan(2), "results": map[string]any{"url": "oci://r:5000/a/run?plain_http=true"}}, shards: 2, run: "oci://r:5000/a/run:shard-$(JOB_COMPLETION_INDEX)?plain_http=true", merge: "oci://r:5000/a/run?plain_http=true"},
		"a tag":               {values: map[string]any{"plan": plan(2), "results": map[string]any{"url": "oci://r/run:1"}}, wrong: "/results/url"},
		"a registry alone":    {values: map[string]any{"plan": plan(2), "results": map[string]any{"url": "oci://r"}}, wrong: "/results/url"},
		"no parameter of oci": {values: map[string]any{"plan": plan(2), "results": map[string]any{"url": "oci://r/run?region=x"}}, wrong: "/results/url"},
		"privileged by name":  {values: map[string]any{"plan": plan(2), "host": map[string]any{"privileged": true}}, shards: 2, run: "/results/night/shards/$(JOB_COMPLETION_INDEX)", merge: "/results/night/shards"},
		"host":                {values: map[string]any{"experiments": words, "target": "host", "nodeSelector": kind, "host": map[string]any{"privileged": true}}, privileges: host},
		"host, not allowed":   {values: map[string]any{"experiments": words, "target": "host", "nodeSelector": kind}, wrong: "set host.privileged=true"},
		"host, any machine":   {values: map[string]any{"experiments": words, "target": "host", "host": map[string]any{"privileged": true}}, wrong: "set nodeSelector"},
		"host, with a plan":   {values: map[string]any{"plan": plan(2), "target": "host", "nodeSelector": kind, "host": map[string]any{"privileged": true}}, wrong: "a plan is for target exact"},
		"nothing":             {values: map[string]any{}, wrong: "set plan"},
		"no image":            {values: map[string]any{"plan": plan(2), "image": ""}, wrong: "image"},
		"another's file":      {values: map[string]any{"plan": `{"shards": 3}`}, wrong: "is not a file of kxlab plan"},
		"an unknown value":    {values: map[string]any{"plan": plan(2), "shard": 3}, wrong: "shard"},
		"a wrong number":      {values: map[string]any{"experiments": words, "shards": 0}, wrong: "shards"},
		"an unknown target":   {values: map[string]any{"plan": plan(2), "target": "vm"}, wrong: "target"},
		"an unknown resource": {values: map[string]any{"plan": plan(2), "resources": map[string]any{"request": map[string]any{}}}, wrong: "unknown field"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, set := tt.values["image"]; !set {
				tt.values["image"] = "registry.example/kxlab:1"
			}
			objects, err := renderChart(tt.values)
			if tt.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wrong) {
					t.Errorf("got %v, want %q", err, tt.wrong)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			c, err := apply(t.Context(), objects)
			if err != nil {
				t.Fatal(err)
			}
			for name, j := range c.jobs {
				if diff := cmp.Diff(tt.privileges, privileges(j.Spec.Template.Spec)); diff != "" {
					t.Errorf("job %s asks for other privileges than it may:\n%s", name, diff)
				}
				if k := j.Spec.Template.Spec.NodeSelector["kind"]; tt.values["nodeSelector"] != nil && k != "m7i" {
					t.Errorf("job %s runs on any node", name)
				}
			}
			if tt.shards == 0 {
				return
			}
			if err := c.checkShards("night", tt.shards); err != nil {
				t.Error(err)
			}
			if n, set := tt.values["parallelism"].(int); set && int(*c.jobs["night"].Spec.Parallelism) != min(n, tt.shards) {
				t.Errorf("%d pods at once, want %d", *c.jobs["night"].Spec.Parallelism, n)
			}
			run, merge := c.jobs["night"].Spec.Template.Spec, c.jobs["night-merge"].Spec.Template.Spec
			if got := run.Containers[0].Args; got[len(got)-1] != tt.run {
				t.Errorf("shards go to %s, want %s", got[len(got)-1], tt.run)
			}
			if got := merge.Containers[0].Args; !slices.Contains(got, tt.merge) {
				t.Errorf("the merge's words are %q, want %s", got, tt.merge)
			}
			if made := tt.values["experiments"] != nil; made != (len(run.InitContainers) == 1) {
				t.Errorf("%d containers make a plan", len(run.InitContainers))
			}
			if p := c.maps["night-plan"]; p != nil && !json.Valid([]byte(p.Data["plan.json"])) {
				t.Errorf("the plan is %q", p.Data["plan.json"])
			}
		})
	}
}
