variable "name" {
  description = "Of the RAM role and its policy, and before the instances' numbers."
  type        = string
  default     = "osssync"
}

variable "instances" {
  description = "How many instances there are."
  type        = number
  default     = 2
}

variable "config" {
  description = "osssync.toml, the same for all instances. Its prefixes should hold {instance_id}."
  type        = string

  validation {
    condition     = strcontains(var.config, "{instance_id}")
    error_message = "Without {instance_id} in a prefix the instances overwrite each other's objects."
  }
}

variable "policy" {
  description = "What `osssync -c osssync.toml policy` prints for that configuration."
  type        = string

  validation {
    condition     = can(jsondecode(var.policy).Statement[0].Action)
    error_message = "This is not a RAM policy."
  }
}

variable "package_url" {
  description = "https address of the .deb or .rpm, such as an object of a bucket of yours."
  type        = string

  validation {
    condition     = can(regex("^https://.*\\.(deb|rpm)$", var.package_url))
    error_message = "This is not an https address of a .deb or .rpm."
  }
}

variable "package_sha256" {
  description = "SHA-256 of the package, from SHA256SUMS."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-f]{64}$", var.package_sha256))
    error_message = "This is not a SHA-256."
  }
}

variable "groups" {
  description = "Groups of the instance whose files the agent reads."
  type        = list(string)
  default     = ["adm"]
}

variable "image_id" {
  description = "An image whose cloud-init is 23.2.2 or later: older ones do not read user data in hardened mode."
  type        = string
}

variable "instance_type" {
  type    = string
  default = "ecs.g8i.large"
}

variable "vswitch_id" {
  type = string
}

variable "security_groups" {
  type = list(string)
}

variable "tags" {
  type    = map(string)
  default = {}
}
