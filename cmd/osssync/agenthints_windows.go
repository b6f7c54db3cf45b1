package main

// How to get at the agent, in English and Chinese.
const (
	startHint    = "start the agent: osssync service start, or in a terminal: osssync run"
	startHintZh  = "启动代理：osssync service start，或在终端中：osssync run"
	socketHint   = "ask as an administrator: the agent answers nobody else"
	socketHintZh = "请以管理员身份执行：代理不应答其他用户"
)
