// SPDX-License-Identifier: Apache-2.0

package test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	core "k8s.io/api/core/v1"
)

// TestChartMerge: the chart's merge runs after helm install and upgrade, reads all shards, and leaves the run where results go, each in a folder of
// its own, also if the run failed. With a registry's login the pods have it.
func TestChartMerge(t *testing.T) {
	for name, tt := range map[string]struct {
		url, kxlab string // a script that stands in for kxlab
		want       []string
		code       int
	}{
		"a claim":              {"", "mkdir merged", []string{"kxlab merge /results/night/shards --out /results/night/merged/p"}, 0},
		"a bucket":             {"s3://b/run/?region=x", "mkdir merged", []string{"kxlab merge s3://b/run/shards?region=x --out merged", "kxlab-store put merged s3://b/run/merged/p?region=x"}, 0},
		"a registry":           {"oci://r/a/run", "mkdir merged", []string{"kxlab merge oci://r/a/run --out merged", "kxlab-store put merged oci://r/a/run-merged:p"}, 0},
		"an open registry":     {"oci://r/run?plain_http=true", "mkdir merged", []string{"kxlab merge oci://r/run?plain_http=true --out merged", "kxlab-store put merged oci://r/run-merged:p?plain_http=true"}, 0},
		"shards are missing":   {"s3://b/run", "exit 1", []string{"kxlab merge s3://b/run/shards --out merged"}, 1},
		"a run with a failure": {"s3://b/run", "mkdir merged && exit 3", []string{"kxlab merge s3://b/run/shards --out merged", "kxlab-store put merged s3://b/run/merged/p"}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			results := map[string]any{"url": tt.url, "dockerConfig": "login"}
			objects, err := renderChart(map[string]any{"image": "i", "plan": plan(2), "results": results})
			if err != nil {
				t.Fatal(err)
			}
			c, err := apply(t.Context(), objects)
			if err != nil {
				t.Fatal(err)
			}
			j := c.jobs["night-merge"]
			if hook := j.Annotations["helm.sh/hook"]; hook != "post-install,post-upgrade" {
				t.Errorf("the merge runs at %q", hook)
			}
			got, code := runMerge(t, j.Spec.Template.Spec.Containers[0].Args, tt.kxlab)
			if got != strings.Join(tt.want, "\n") || code != tt.code {
				t.Errorf("the merge calls\n%s\nwith exit code %d, want\n%s\nwith %d", got, code, strings.Join(tt.want, "\n"), tt.code)
			}
			if p := c.claims["night-results"]; (p == nil) != (tt.url != "") || p != nil && p.Annotations["helm.sh/resource-policy"] != "keep" {
				t.Errorf("the claim, which helm uninstall keeps: %+v", p)
			}
			for _, j := range c.jobs {
				if err := checkLogin(j.Spec.Template.Spec, "login"); err != nil {
					t.Errorf("job %s: %v", j.Name, err)
				}
			}
		})
	}
}

// runMerge runs the words of a container with programs that write down how they are called; kxlab also does what a script says.
func runMerge(t *testing.T, args []string, kxlab string) (calls string, code int) {
	t.Helper()
	tools, dir := t.TempDir(), t.TempDir()
	for name, script := range map[string]string{"kxlab": kxlab, "kxlab-store": "[ -e \"$2\" ]"} {
		text := fmt.Sprintf("#!/bin/sh\necho %s \"$@\" >>%s/calls\n%s\n", name, tools, script)
		if err := os.WriteFile(filepath.Join(tools, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", tools+":"+os.Getenv("PATH"))
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "$(POD)", "p")
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	raw, err := os.ReadFile(filepath.Join(tools, "calls"))
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return strings.TrimSpace(string(raw)), code
}

// checkLogin returns an error unless a pod has a Secret's login as config.json in the folder that DOCKER_CONFIG names.
func checkLogin(p core.PodSpec, secret string) error {
	ctr := p.Containers[0]
	dir := ""
	for _, e := range ctr.Env {
		if e.Name == "DOCKER_CONFIG" {
			dir = e.Value
		}
	}
	for _, m := range ctr.VolumeMounts {
		for _, v := range p.Volumes {
			if m.Name == v.Name && m.MountPath == dir && v.Secret != nil && v.Secret.SecretName == secret &&
				len(v.Secret.Items) == 1 && v.Secret.Items[0] == (core.KeyToPath{Key: core.DockerConfigJsonKey, Path: "config.json"}) {
				return nil
			}
		}
	}
	return fmt.Errorf("secret %s is not in the folder %q", secret, dir)
}
