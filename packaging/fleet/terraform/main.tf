# Instances that upload with a role of their own and no key: whoever has the
# instance has the role, and the role can do what the policy says and no more.

resource "alicloud_ram_role" "osssync" {
  role_name                   = var.name
  description                 = "osssync on ECS instances"
  assume_role_policy_document = file("${path.module}/../trust.json")
}

resource "alicloud_ram_policy" "osssync" {
  policy_name     = var.name
  description     = "what osssync policy printed"
  policy_document = var.policy
}

resource "alicloud_ram_role_policy_attachment" "osssync" {
  role_name   = alicloud_ram_role.osssync.role_name
  policy_name = alicloud_ram_policy.osssync.policy_name
  policy_type = "Custom"
}

resource "alicloud_instance" "osssync" {
  count = var.instances

  instance_name   = "${var.name}-${count.index + 1}"
  image_id        = var.image_id
  instance_type   = var.instance_type
  vswitch_id      = var.vswitch_id
  security_groups = var.security_groups
  tags            = var.tags

  role_name = alicloud_ram_role.osssync.role_name

  # Hardened mode only: no credential without a session token.
  http_endpoint = "enabled"
  http_tokens   = "required"

  user_data = base64encode(templatefile("${path.module}/cloud-init.yaml.tftpl", {
    config         = var.config
    install        = file("${path.module}/../install.sh")
    package_url    = var.package_url
    package_sha256 = var.package_sha256
    groups         = var.groups
  }))

  # The agent waits for its permissions, but why let it.
  depends_on = [alicloud_ram_role_policy_attachment.osssync]
}
