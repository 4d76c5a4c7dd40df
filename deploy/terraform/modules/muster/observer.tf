module "observer" {
  source    = "../observer"
  providers = { aws = aws.third }
  count     = var.observer == null ? 0 : 1

  name                 = "${var.name}-observer"
  account              = local.account
  region               = local.third
  image                = var.observer.image
  image_repository_arn = var.observer.image_repository_arn
  writer_image         = var.observer.writer_image
  architecture         = var.architecture == "arm64" ? "ARM64" : "X86_64"
  applications         = var.observer.applications
  key_secret_arn       = var.observer.key_secret_arn
  key_secret_key_arn   = var.observer.key_secret_key_arn
  vpc_id               = var.observer.vpc_id
  task_subnets         = var.observer.task_subnets
  balancer_subnets     = var.observer.balancer_subnets
  certificate_arn      = var.observer.certificate_arn
  asked_from           = var.observer.asked_from
  alarms               = var.alarms
  alarm_actions        = var.alarm_actions.third
}
