output "role_name" {
  value = alicloud_ram_role.osssync.role_name
}

output "instance_ids" {
  description = "The prefixes' {instance_id}."
  value       = alicloud_instance.osssync[*].id
}
