// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"
)

func TestLock(t *testing.T) {
	name := fmt.Sprintf("@kxlab-test-%d", os.Getpid())
	first, err := lock(t.Context(), name, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = lock(t.Context(), name, nil)
	var busy *BusyError
	if !errors.As(err, &busy) || busy.PID != os.Getpid() {
		t.Fatalf("second lock: %v, should name process %d", err, os.Getpid())
	}

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := lock(ctx, name, func(*BusyError) {}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting in vain: %v", err)
	}

	told := 0
	second, err := lock(t.Context(), name, func(*BusyError) { told++; first.Close() })
	if err != nil || told != 1 {
		t.Fatalf("waiting: %v, told %d times", err, told)
	}
	second.Close()
}
