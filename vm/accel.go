// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/kxlab/kxlab/harness/cache"
	"golang.org/x/sys/unix"
)

// A Verdict says whether guests can use this machine's virtualisation, judged by booting one: an open of /dev/kvm may succeed where
// guests do not run.
type Verdict struct {
	KVM bool   `json:"kvm"`
	Why string `json:"why"` // the evidence
	For string `json:"for"` // kernel and QEMU of this machine; a verdict for others is not used
}

// String returns the line that doctor prints.
func (v Verdict) String() string {
	if v.KVM {
		return "KVM: " + v.Why
	}
	return "TCG, which translates instructions: " + v.Why
}

// tryTime is the wall-clock limit for a boot under KVM, which takes about a second where KVM works.
const tryTime = 20 * time.Second

// JudgeKVM returns the verdict from the cache, or boots k under KVM. A guest that does not boot gives a verdict, not an error.
func JudgeKVM(ctx context.Context, k *Kernel) (Verdict, error) {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return Verdict{}, fmt.Errorf("try KVM: %w", err)
	}
	version, err := QEMUVersion(ctx)
	if err != nil {
		return Verdict{}, fmt.Errorf("try KVM: %w", err)
	}
	v := Verdict{For: fmt.Sprintf("Linux %s, QEMU %s", unix.ByteSliceToString(uts.Release[:]), version)}
	f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		v.Why = err.Error() // not cached: access may be granted at any time
		return v, nil
	}
	f.Close()
	dir, err := cache.Dir()
	if err != nil {
		return v, err
	}
	sum := sha256.Sum256([]byte(v.For))
	path := filepath.Join(dir, "kvm-"+hex.EncodeToString(sum[:4])+".json")
	var cached Verdict
	raw, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(raw, &cached)
	}
	if err == nil && cached.For == v.For {
		return cached, nil
	}
	cache.Damaged(ctx, "the verdict "+path+" on KVM", err, "KVM is tried anew")
	if v.KVM, v.Why, err = tryKVM(ctx, k); err != nil {
		return v, fmt.Errorf("try KVM: %w", err)
	}
	if raw, err = json.Marshal(v); err != nil {
		return v, err
	}
	if err := cache.WriteFile(path, func(f *os.File) error { _, err := f.Write(raw); return err }); err != nil {
		return v, fmt.Errorf("cache verdict on KVM: %w", err)
	}
	return v, nil
}

// tryKVM boots a guest under KVM.
func tryKVM(ctx context.Context, k *Kernel) (works bool, why string, err error) {
	var out bytes.Buffer
	c := &Cmd{Kernel: k, Args: []string{"true"}, Tools: []string{"true"}, Memory: 512 << 20, Stderr: &out, Boot: tryTime, accel: kvm{}}
	began := time.Now()
	err = c.Run(ctx)
	var exit *ExitError
	switch {
	case err == nil:
		return true, fmt.Sprintf("a guest booted in %.1f s", time.Since(began).Seconds()), nil
	case errors.As(err, &exit) && exit.Cause == CauseHang:
		return false, fmt.Sprintf("/dev/kvm opens, but a guest did not boot within %v", tryTime), nil
	case errors.As(err, &exit):
		return false, fmt.Sprintf("/dev/kvm opens, but a guest does not boot: %s %s", exit.Cause, exit.Detail), nil
	}
	return false, "", err
}
