terraform {
  required_version = ">= 1.5" # strcontains
  required_providers {
    alicloud = {
      source  = "aliyun/alicloud"
      version = ">= 1.252.0"
    }
  }
}
