package main

// What the page of osssync says besides what its commands say, in Markdown.
const manSections = `# EXIT STATUS
**0**
	all done

**1**
	failed

**2**
	wrong usage

**3**
	partial: some files failed, the rest are done

**4**
	no credentials: no role, metadata service unreachable, token refused

**5**
	no access: AccessDenied, NoSuchBucket

**6**
	paused: a deletion brake or a changed source needs **osssync approve**

**7**
	the agent is not running

**8**
	timed out

**78**
	configuration error; systemd does not restart on it

# ENVIRONMENT
**OSSSYNC\_CONFIG**
	configuration file, where **-c** names none

**ALIBABA\_CLOUD\_ECS\_METADATA**
	name of the role, where the configuration names none

**ALIBABA\_CLOUD\_ECS\_METADATA\_DISABLED**
	"true": never ask the metadata service

**HTTPS\_PROXY**, **HTTP\_PROXY**, **NO\_PROXY**
	proxy for OSS; the metadata service is never asked through one

**NO\_COLOR**
	set to anything: no colours

**LC\_ALL**, **LC\_MESSAGES**, **LANG**
	Chinese help, hints and reports where it begins with "zh"

**ALIBABA\_CLOUD\_ACCESS\_KEY\_ID** and its like are ignored: osssync holds no long-lived keys.

# FILES
**/etc/osssync/osssync.toml**, **/etc/osssync/conf.d/\*.toml**
	configuration, see **osssync.toml(5)**

**/var/lib/osssync/index.db**
	the index: what was uploaded; elsewhere if **agent.state\_dir** says so

**/var/lib/osssync/credentials/**
	the STS token until it expires, for the agent's user alone

**/run/osssync/osssync.sock**, else **osssync.sock** in the state directory
	how commands talk to the running agent

On Windows these are below %ProgramData%\\osssync, and the socket is the pipe \\\\.\\pipe\\osssync.

`

const tomlIntro = `# NAME
osssync.toml \- configuration of osssync

# SYNOPSIS
**/etc/osssync/osssync.toml**, **/etc/osssync/conf.d/\*.toml**

# DESCRIPTION
TOML. The file that **-c** or **OSSSYNC\_CONFIG** names is read, else the one above;
then, in the order of their names, the files of conf.d beside it. Of a key that two
files set, the later one counts; jobs add up. Unknown keys, wrong types and bad
values are errors: **osssync config check** reports all of them with their places,
**osssync config show** prints what holds and where it comes from.

Sizes are written 10MiB or 1GB, durations 90s, 1h30m or 7d. No access key has a
place here: osssync uses the RAM role of the instance.
`

const tomlEnd = `
# SEE ALSO
**osssync(1)**, **osssync-config(1)**
`
