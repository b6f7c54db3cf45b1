package creds

import (
	"strconv"
	"unsafe"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
)

// bootID is the time of the boot to 100 ns. Setting the clock moves it, which
// makes a cached credential be confirmed once more.
func bootID() (string, error) {
	var info struct { // SYSTEM_TIMEOFDAY_INFORMATION
		bootTime, currentTime, zoneBias int64
		zone, reserved                  uint32
		bootBias, sleepBias             uint64
	}
	err := windows.NtQuerySystemInformation(windows.SystemTimeOfDayInformation, unsafe.Pointer(&info), uint32(unsafe.Sizeof(info)), nil)
	if err != nil {
		return "", err
	}
	return strconv.FormatInt(info.bootTime, 16), nil
}

// machineID identifies this installation.
func machineID() (string, error) {
	return registryString(`SOFTWARE\Microsoft\Cryptography`, "MachineGuid")
}

// productName says what kind of machine this is, "" where it is not known.
func productName() string {
	name, _ := registryString(`HARDWARE\DESCRIPTION\System\BIOS`, "SystemProductName")
	return name
}

func registryString(key, value string) (string, error) {
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, key, registry.QUERY_VALUE|registry.WOW64_64KEY)
	if err != nil {
		return "", err
	}
	defer k.Close()
	s, _, err := k.GetStringValue(value)
	return s, err
}
