// Package service speaks with what starts osssync as a service.
//
// Under systemd that is the protocol of sd_notify(3): a [Notifier] tells when
// the agent is ready, what it is doing, and that it is alive, and [Journal]
// makes the priority of log lines known to the journal. Without systemd, which
// says so by an environment without NOTIFY_SOCKET, all of it does nothing.
//
// The protocol is one datagram a message and stable since systemd 25, so it is
// spoken here rather than by a library.
package service
