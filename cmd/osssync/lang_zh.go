package main

// chinese translates help texts and hints. What is missing here is shown in
// English; TestChinese holds every text of the command tree to be here.
var chinese = map[string]string{
	"hint": "提示",
	"Keep directories of an ECS instance in OSS, with no key but its RAM role": "把 ECS 实例上的目录同步到 OSS，只凭实例的 RAM 角色，不用任何密钥",
	rootLong: `osssync 监视阿里云 ECS 实例上的目录，把变化的文件上传到 OSS。它不保存任何密钥：
只以加固模式向实例元数据服务请求所绑定 RAM 角色的 STS 凭证。`,
	"configuration file":                              "配置文件",
	"debug, info, warn or error":                      "debug、info、warn 或 error",
	"text or json":                                    "text 或 json",
	"language of help and hints: en or zh":            "帮助与提示的语言：en 或 zh",
	"print JSON":                                      "输出 JSON",
	"print one JSON object per line":                  "每行输出一个 JSON 对象",
	"help for this command":                           "本命令的帮助",
	"Print which osssync this is":                     "显示版本信息",
	"List objects":                                    "列出对象",
	"show size, time, class and ETag":                 "显示大小、时间、存储类型和 ETag",
	"list all levels":                                 "列出所有层级",
	"show sizes as people read them, such as 1.5 MiB": "以易读形式显示大小，如 1.5 MiB",
	"stop after this many lines; 0 means all":         "最多列出多少行；0 表示全部",
	lsLong: `列出对象，默认只列一层：更深的内容显示为以“/”结尾的前缀。不带参数时列出配置的存储空间；
没有配置时列出所有存储空间。顺序与存储空间一致，即键的 UTF-8 字节序。`,
	"Upload one file or standard input": "上传一个文件或标准输入",
	putLong: `上传一个文件；“-”表示任意长度的标准输入。以“/”结尾的键会接上文件名。
服务端的 CRC-64 与读取内容一致才算完成。`,
	"content type; by default from the key's extension":         "内容类型；默认由键的扩展名决定",
	"storage class; by default the bucket's":                    "存储类型；默认同存储空间",
	"Check the configuration":                                   "检查配置",
	"Report every mistake in the configuration, with its place": "报告所有配置错误及其位置",
	checkLong:                              `读取配置，一次报告所有错误，每个错误带文件名、行号和列号。不访问网络，不改变任何东西。`,
	"Scan, watch and upload until stopped": "扫描、监视并上传，直到被停止",
	runLong: `代理本身：扫描各任务的目录，监视变化，上传有差异的文件，直到被停止。
收到 SIGTERM 后不再开始新的上传，正在进行的上传最多再等 stop_grace。`,
	"Make one pass: scan, upload what differs, exit": "跑一遍：扫描、上传差异、退出",
	syncLong: `对列出的任务（默认全部）跑一遍：扫描、上传有差异的文件、退出。终端上显示进度条，
在管道中每个文件一行。--dry-run 只打印计划：每个动作及其原因，最后是合计，不做任何改动。`,
	"print what would be done and why, and change nothing": "打印将要做什么及原因，不做任何改动",
	"Show the role's credential, without its secrets":      "显示角色的凭证，不显示任何秘密",
	credsLong: `显示 osssync 使用的凭证：角色、实例、AccessKey ID、过期时间，以及它来自元数据服务还是缓存。
绝不显示秘密。`,
	"Print the least RAM policy that this configuration needs": "输出本配置所需的最小 RAM 权限策略",
	policyLong: `输出本配置各任务所需的最小 RAM 权限策略，可直接粘贴到控制台。--ls 再加上 osssync ls 所需的权限。
--trust 输出实例角色的信任策略；配置了第二个角色时，--assume 输出实例角色扮演它所需的权限。`,
	"allow osssync ls on the jobs' prefixes too":                    "同时允许对各任务的前缀执行 osssync ls",
	"print the trust policy of the instance's role":                 "输出实例角色的信任策略",
	"print what the instance's role needs to assume the second one": "输出实例角色扮演第二个角色所需的权限",
	"Write an object to standard output, CRC-64 checked":            "把对象写到标准输出，并校验 CRC-64",
	catLong:                     "把对象写到标准输出，结束时校验 CRC-64：退出码不为 0 时，已写出的内容不可信。",
	"Show one object's headers": "显示一个对象的头信息",
	"Tell for each path whether it is taken, and by which rule": "说明每个路径是否会被上传，由哪条规则决定",
	filterLong:                              "对每个路径，说明任务是否会上传它，以及起决定作用的规则。路径不必存在；不在任何任务目录中的会注明。",
	"Print a completion script for a shell": "输出 shell 的补全脚本",
	"Print the effective value of every key and where it comes from":   "输出每个配置项的实际值及其来源",
	"Print a JSON Schema of the configuration, for editors":            "输出配置的 JSON Schema，供编辑器使用",
	"Check all that the agent depends on; every failure names its fix": "检查代理所依赖的一切，每个失败都给出解决办法",
	doctorLong: `检查代理所依赖的一切：元数据服务、角色及其令牌、时钟、OSS 接入点、各任务所需的每项权限、
源目录、监视上限和状态目录。每个失败都给出解决办法。权限用各任务前缀下一个专用名称的对象来试，
试完即删；不碰任何其他对象。`,
	"fix":     "解决办法",
	policyFix: "给 RAM 角色授予这条命令输出的权限策略：osssync policy",
	noJobsFix: "添加一个带 name 和 source 的 [[job]]；config.example.toml 中有示例",
}
