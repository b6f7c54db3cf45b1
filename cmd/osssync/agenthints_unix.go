//go:build unix

package main

// How to get at the agent, in English and Chinese.
const (
	startHint    = "start the agent: systemctl start osssync, or in a terminal: osssync run"
	startHintZh  = "启动代理：systemctl start osssync，或在终端中：osssync run"
	socketHint   = "ask as root (sudo), or become a member of the group osssync"
	socketHintZh = "请以 root 身份（sudo）执行，或加入 osssync 用户组"
)
