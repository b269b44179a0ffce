// SPDX-License-Identifier: Apache-2.0

package cc

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

const (
	// ccPrefix marks the algorithms that the lab registers.
	ccPrefix = "kx_"
	// ccNameMax is how long an algorithm's name may be (TCP_CA_NAME_MAX, less the end).
	ccNameMax = 15
	// ccInstances is how many of one name there may be at once, as two digits tell them apart.
	ccInstances = 99
	// ccBaseMax is what is left for the name that an object gives.
	ccBaseMax = ccNameMax - len(ccPrefix) - 2
)

var ccBaseRE = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.]*[A-Za-z_.]$|^[A-Za-z]$`)

// checkCCBase returns an error for a name from which no algorithm's name can be made.
func checkCCBase(base string) error {
	switch {
	case base == "":
		return fmt.Errorf("its operations have no name")
	case len(base) > ccBaseMax:
		return fmt.Errorf("its name %q is too long: %d bytes, at most %d (the kernel takes %d; the lab adds %q and a number)",
			base, len(base), ccBaseMax, ccNameMax, ccPrefix)
	case !ccBaseRE.MatchString(base):
		return fmt.Errorf("its name %q is not of letters, digits, _ and ., from a letter to something other than a digit", base)
	}
	return nil
}

// ccName returns the first name for base that is not taken: kx_cubic, kx_cubic2, …
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

// availableCC lists the algorithms that the kernel knows at this moment. They are the same in every namespace.
func availableCC() ([]string, error) {
	raw, err := os.ReadFile("/proc/sys/net/ipv4/tcp_available_congestion_control")
	if err != nil {
		return nil, fmt.Errorf("list congestion controls: %w", err)
	}
	return strings.Fields(string(raw)), nil
}
