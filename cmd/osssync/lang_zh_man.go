package main

// The long texts of the manual pages in Chinese, in Markdown.
const (
	manSectionsZh = `# 退出码
**0**
	全部完成

**1**
	失败

**2**
	用法错误

**3**
	部分完成：有些文件失败，其余已完成

**4**
	没有凭证：没有角色、元数据服务不可达或令牌被拒绝

**5**
	没有权限：AccessDenied、NoSuchBucket

**6**
	已暂停：删除保护或源目录变化，需要 **osssync approve**

**7**
	代理没有运行

**8**
	超时

**78**
	配置错误；systemd 不会因此重启

# 环境变量
**OSSSYNC\_CONFIG**
	没有用 **-c** 指定时的配置文件

**ALIBABA\_CLOUD\_ECS\_METADATA**
	配置中没有指定时的角色名

**ALIBABA\_CLOUD\_ECS\_METADATA\_DISABLED**
	"true"：绝不访问元数据服务

**HTTPS\_PROXY**、**HTTP\_PROXY**、**NO\_PROXY**
	访问 OSS 的代理；访问元数据服务从不经过代理

**NO\_COLOR**
	设为任意值：不用颜色

**LC\_ALL**、**LC\_MESSAGES**、**LANG**
	以 "zh" 开头时，帮助、提示和报告使用中文

**ALIBABA\_CLOUD\_ACCESS\_KEY\_ID** 等变量会被忽略：osssync 不使用长期密钥。

# 文件
**/etc/osssync/osssync.toml**、**/etc/osssync/conf.d/\*.toml**
	配置，见 **osssync.toml(5)**

**/var/lib/osssync/index.db**
	索引：已上传的内容；**agent.state\_dir** 可改变其位置

**/var/lib/osssync/credentials/**
	过期前的 STS 令牌，仅代理的用户可读

**/run/osssync/osssync.sock**，否则为状态目录中的 **osssync.sock**
	各命令通过它与运行中的代理通信

在 Windows 上，这些文件位于 %ProgramData%\\osssync，通信使用命名管道 \\\\.\\pipe\\osssync。

`

	tomlIntroZh = `# NAME
osssync.toml \- osssync 的配置

# SYNOPSIS
**/etc/osssync/osssync.toml**, **/etc/osssync/conf.d/\*.toml**

# DESCRIPTION
TOML。读取 **-c** 或 **OSSSYNC\_CONFIG** 指定的文件，否则读取上面的文件；然后按文件名顺序读取
同目录下 conf.d 中的文件。同一个键以后读到的为准；任务则累加。未知的键、错误的类型和取值都是错误：
**osssync config check** 一次报告全部错误及其位置，**osssync config show** 显示实际值及其来源。

大小写作 10MiB 或 1GB，时长写作 90s、1h30m 或 7d。这里没有访问密钥的位置：osssync 使用实例的 RAM 角色。
各配置项的中文说明见 docs/configuration.zh-CN.md。
`
)
