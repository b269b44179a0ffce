// SPDX-License-Identifier: Apache-2.0

package cc

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

const (
	// ccPrefix marks the algorithms that the lab registers.
	ccPrefix = "kx_"
	// ccNameMax is the longest name of an algorithm, bytes (TCP_CA_NAME_MAX less the terminating zero).
	ccNameMax = 15
	// ccInstances is the largest number of instances of one name: two digits number them.
	ccInstances = 99
	// ccBaseMax is the longest name in an object, bytes.
	ccBaseMax = ccNameMax - len(ccPrefix) - 2
)

var ccBaseRE = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.]*[A-Za-z_.]$|^[A-Za-z]$`)

// checkCCBase returns an error if no algorithm's name can be derived from base.
func checkCCBase(base string) error {
	switch {
	case base == "":
		return fmt.Errorf("the operations have no name")
	case len(base) > ccBaseMax:
		return fmt.Errorf("name %q is too long: %d bytes, at most %d (the kernel takes %d; the lab adds %q and a number)",
			base, len(base), ccBaseMax, ccNameMax, ccPrefix)
	case !ccBaseRE.MatchString(base):
		return fmt.Errorf("name %q: want letters, digits, _ and ., a letter first and no digit last", base)
	}
	return nil
}

// ccName returns the first unused name for base: kx_cubic, kx_cubic2, …
func ccName(base string, taken []string) (string, error) {
	for n := 1; n <= ccInstances; n++ {
		name := ccPrefix + base
		if n > 1 {
			name = fmt.Sprintf("%s%d", name, n)
		}
		if !slices.Contains(taken, name) {
			return name, nil
		}
	}
	return "", fmt.Errorf("name %s%s: %d of it are registered already", ccPrefix, base, ccInstances)
}

// availableCC returns the algorithms that the kernel lists now, the same in every namespace.
func availableCC() ([]string, error) {
	raw, err := os.ReadFile("/proc/sys/net/ipv4/tcp_available_congestion_control")
	if err != nil {
		return nil, fmt.Errorf("list congestion controls: %w", err)
	}
	return strings.Fields(string(raw)), nil
}

// checkListed returns an error unless the kernel lists the algorithm.
func checkListed(name string) error {
	names, err := availableCC()
	if err == nil && !slices.Contains(names, name) {
		err = errors.New("the kernel no longer lists the name")
	}
	return err
}
