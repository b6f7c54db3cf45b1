//go:build linux

package windows

import (
	"os/exec"
	"strings"
	"testing"
)

// TestTables looks at what Windows Installer reads and Wine does not, or takes
// in another way than it: most of it is what wixl does not write itself.
func TestTables(t *testing.T) {
	t.Parallel()
	if why := missing("wixl", "msibuild", "msiinfo"); why != "" {
		skip(t, why)
	}
	if shared.hold == "" {
		skip(t, "no program to pack: "+shared.why)
	}
	msi := pack(t, "1.2.3-rc.4", shared.hold, t.TempDir())
	for table, rows := range map[string][]string{
		// As old as the version in the program says; see also MsiFileHash.
		"File": {"\t1.2.3.0\t1033\t512\t1"},
		// 256 64-bit, 16 permanent, 128 never overwrite.
		"Component": {"cConf\t{1B7B4D0E-0A5D-4B52-8F0B-36C1A6B5B403}\tDATADIR\t400\t\tfConf"},
		// For all users, removed again, behind what is there.
		"Environment": {"envPath\t=-*PATH\t[~];[INSTALLDIR]\tcExe"},
		// Up to and with this version, and no newer one.
		"Upgrade": {
			"{7E0C1D52-4E3B-4C3D-9C0B-5D3A7C0F5A11}\t\t1.2.3\t\t513\t\tWIX_UPGRADE_DETECTED",
			"{7E0C1D52-4E3B-4C3D-9C0B-5D3A7C0F5A11}\t1.2.3\t\t\t2\t\tWIX_DOWNGRADE_DETECTED",
		},
		// The installed program, as the system, and its failure is one.
		"CustomAction":           {"Setup\t3090\tfExe\tservice setup"},
		"InstallExecuteSequence": {"Setup\tNOT REMOVE\t6500", "WriteEnvironmentStrings\t\t5200", "RemoveEnvironmentStrings\t\t3300", "RemoveExistingProducts\t\t1401", "AppSearch\t\t50", "LaunchConditions\t\t100"},
		"ServiceInstall":         {"service\tosssync\tosssync\t16\t2\t1\t\t\tNT SERVICE\\osssync\t\tservice run\tcExe"},
		// Stopped by installation and removal (2, 32), removed (128).
		"ServiceControl":  {"service\tosssync\t162\t\t1\tcExe"},
		"Property":        {"SecureCustomProperties\tWIX_DOWNGRADE_DETECTED;WIX_UPGRADE_DETECTED;WINDOWS10", "ALLUSERS\t1", "ProductVersion\t1.2.3"},
		"LaunchCondition": {"Installed OR (VersionNT64 AND WINDOWS10)\t", "NOT WIX_DOWNGRADE_DETECTED\t"},
		"RegLocator":      {"windows10\t2\tSOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\tCurrentMajorVersionNumber\t18"},
		"Registry":        {"\tSYSTEM\\CurrentControlSet\\Services\\EventLog\\Application\\osssync\tEventMessageFile\t[%SystemRoot]\\System32\\EventCreate.exe\tcExe"},
	} {
		text := export(t, msi, table)
		for _, row := range rows {
			if !strings.Contains(text, row) {
				t.Errorf("%s has no %q:\n%s", table, row, text)
			}
		}
	}
	if text := export(t, msi, "MsiFileHash"); strings.Contains(text, "fExe") || !strings.Contains(text, "fConf") {
		t.Errorf("a file has a version or a hash, not both:\n%s", text)
	}
}

// export returns a table of an MSI.
func export(t *testing.T, msi, table string) string {
	t.Helper()
	out, err := exec.Command("msiinfo", "export", msi, table).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", table, err, out)
	}
	return strings.ReplaceAll(string(out), "\r", "")
}
