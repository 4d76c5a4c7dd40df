# EKS Configuration and Node Groups. The controllers that are add-ons of the guide's and not of AWS's (load balancer,
# external secrets) are deployed into the cluster with the application; their roles are made here.

locals {
  groups = {
    general = {
      types = ["m5.large", "m5a.large", "m5n.large"], min = 2, max = 10, desired = 3, capacity = "ON_DEMAND", taint = null
    }
    compute = {
      types = ["c5n.2xlarge", "c5n.4xlarge"], min = 1, max = 20, desired = 2, capacity = "SPOT", taint = "high-performance"
    }
    memory = {
      types = ["r5.2xlarge", "r5.4xlarge"], min = 0, max = 5, desired = 1, capacity = "SPOT", taint = "high-memory"
    }
  }
}

resource "aws_cloudwatch_log_group" "cluster" {
  count             = var.kubernetes ? 1 : 0
  name              = "/aws/eks/${local.full}/cluster"
  retention_in_days = 30
}

resource "aws_iam_role" "control_plane" {
  count = var.kubernetes ? 1 : 0
  name  = "${local.full}-control-plane"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "EksOnly"
      Effect    = "Allow"
      Principal = { Service = "eks.amazonaws.com" }
      Action    = ["sts:AssumeRole"]
    }]
  })
}

resource "aws_iam_role_policy_attachment" "control_plane" {
  count      = var.kubernetes ? 1 : 0
  role       = aws_iam_role.control_plane[0].name
  policy_arn = "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy"
}

resource "aws_eks_cluster" "this" {
  count    = var.kubernetes ? 1 : 0
  name     = local.full
  version  = "1.28"
  role_arn = aws_iam_role.control_plane[0].arn

  enabled_cluster_log_types = ["api", "audit", "authenticator", "controllerManager", "scheduler"]

  access_config {
    authentication_mode                         = "API_AND_CONFIG_MAP"
    bootstrap_cluster_creator_admin_permissions = false
  }

  vpc_config {
    subnet_ids              = [for zone in var.availability_zones : aws_subnet.private[zone].id]
    security_group_ids      = [aws_security_group.control_plane.id]
    endpoint_private_access = true
    endpoint_public_access  = true
    public_access_cidrs     = var.api_allowed_from
  }

  encryption_config {
    resources = ["secrets"]
    provider {
      key_arn = aws_kms_key.this["cluster"].arn
    }
  }

  depends_on = [aws_iam_role_policy_attachment.control_plane, aws_cloudwatch_log_group.cluster]
}

resource "aws_iam_role" "nodes" {
  count = var.kubernetes ? 1 : 0
  name  = "${local.full}-nodes"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "NodesOnly"
      Effect    = "Allow"
      Principal = { Service = "ec2.amazonaws.com" }
      Action    = ["sts:AssumeRole"]
    }]
  })
}

resource "aws_iam_role_policy_attachment" "nodes" {
  for_each   = var.kubernetes ? toset(["AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy", "AmazonEC2ContainerRegistryReadOnly"]) : []
  role       = aws_iam_role.nodes[0].name
  policy_arn = "arn:aws:iam::aws:policy/${each.value}"
}

resource "aws_launch_template" "nodes" {
  count                  = var.kubernetes ? 1 : 0
  name                   = "${local.full}-nodes"
  update_default_version = true
  vpc_security_group_ids = [aws_security_group.nodes.id, aws_eks_cluster.this[0].vpc_config[0].cluster_security_group_id]

  # Pods take no role from the node.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  # Data at Rest: volumes too.
  block_device_mappings {
    device_name = "/dev/xvda"
    ebs {
      volume_size           = 50
      volume_type           = "gp3"
      encrypted             = true
      kms_key_id            = aws_kms_key.this["cluster"].arn
      delete_on_termination = true
    }
  }
}

resource "aws_eks_node_group" "this" {
  for_each        = { for name, one in local.groups : name => one if var.kubernetes }
  cluster_name    = aws_eks_cluster.this[0].name
  node_group_name = each.key
  node_role_arn   = aws_iam_role.nodes[0].arn
  # All three zones (Node Groups).
  subnet_ids     = [for zone in var.availability_zones : aws_subnet.private[zone].id]
  instance_types = each.value.types
  capacity_type  = each.value.capacity

  scaling_config {
    min_size     = each.value.min
    max_size     = each.value.max
    desired_size = lookup(var.nodes_desired, each.key, each.value.desired)
  }

  update_config {
    max_unavailable = 1
  }

  launch_template {
    id      = aws_launch_template.nodes[0].id
    version = aws_launch_template.nodes[0].latest_version
  }

  dynamic "taint" {
    for_each = each.value.taint == null ? [] : [each.value.taint]
    content {
      key    = taint.value
      value  = "true"
      effect = "NO_SCHEDULE"
    }
  }

  # The autoscaler's, and a failover's.
  lifecycle {
    ignore_changes = [scaling_config[0].desired_size]
  }

  depends_on = [aws_iam_role_policy_attachment.nodes]
}

resource "aws_eks_addon" "this" {
  for_each     = var.kubernetes ? toset(["vpc-cni", "coredns", "kube-proxy"]) : []
  cluster_name = aws_eks_cluster.this[0].name
  addon_name   = each.value
  # Network policies are kept by the CNI itself (Network Policies).
  configuration_values        = each.value == "vpc-cni" ? jsonencode({ enableNetworkPolicy = "true" }) : null
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "PRESERVE"
  depends_on                  = [aws_eks_node_group.this]
}

# Service Accounts: pods take roles by the cluster's own identity.
locals {
  pods = var.kubernetes && var.pod_roles
}

resource "aws_iam_openid_connect_provider" "this" {
  count          = local.pods ? 1 : 0
  url            = aws_eks_cluster.this[0].identity[0].oidc[0].issuer
  client_id_list = ["sts.amazonaws.com"]
}

locals {
  issuer = local.pods ? trimprefix(aws_eks_cluster.this[0].identity[0].oidc[0].issuer, "https://") : ""

  accounts = {
    external-secrets = {
      subject = "system:serviceaccount:external-secrets:external-secrets"
      statements = [
        {
          Sid      = "ReadSecrets"
          Effect   = "Allow"
          Action   = ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"]
          Resource = ["arn:aws:secretsmanager:${local.region}:${local.account}:secret:${var.name}/*"]
        },
      ]
    }
    backup-operator = {
      subject = "system:serviceaccount:${var.name}-production:backup-operator"
      statements = [
        {
          Sid      = "WriteBackups"
          Effect   = "Allow"
          Action   = ["s3:GetObject", "s3:ListBucket", "s3:PutObject"]
          Resource = ["arn:aws:s3:::${local.buckets.backups.name}", "arn:aws:s3:::${local.buckets.backups.name}/*"]
        },
        {
          Sid    = "TakeSnapshots"
          Effect = "Allow"
          Action = ["rds:AddTagsToResource", "rds:CreateDBClusterSnapshot"]
          Resource = [
            "arn:aws:rds:${local.region}:${local.account}:cluster:${local.full}",
            "arn:aws:rds:${local.region}:${local.account}:cluster-snapshot:${var.name}-*",
          ]
        },
        {
          Sid      = "LookAtSnapshots"
          Effect   = "Allow"
          Action   = ["rds:DescribeDBClusterSnapshots", "rds:DescribeDBClusters"]
          Resource = ["*"]
        },
      ]
    }
    monitoring = {
      subject = "system:serviceaccount:monitoring:monitoring"
      statements = [
        {
          Sid       = "SendMetrics"
          Effect    = "Allow"
          Action    = ["cloudwatch:PutMetricData"]
          Resource  = ["*"]
          Condition = { StringEquals = { "cloudwatch:namespace" = "CovetPy" } }
        },
        {
          # X-Ray knows no resources.
          Sid       = "SendTraces"
          Effect    = "Allow"
          Action    = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
          Resource  = ["*"]
          Condition = { StringEquals = { "aws:RequestedRegion" = local.region } }
        },
        {
          Sid      = "ReadMetrics"
          Effect   = "Allow"
          Action   = ["cloudwatch:GetMetricData", "cloudwatch:ListMetrics"]
          Resource = ["*"]
        },
      ]
    }
  }
}

resource "aws_iam_role" "pods" {
  for_each = { for name, one in local.accounts : name => one if local.pods }
  name     = "${local.full}-${each.key}"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "ThisAccountOnly"
      Effect    = "Allow"
      Principal = { Federated = aws_iam_openid_connect_provider.this[0].arn }
      Action    = ["sts:AssumeRoleWithWebIdentity"]
      Condition = { StringEquals = {
        "${local.issuer}:aud" = "sts.amazonaws.com"
        "${local.issuer}:sub" = each.value.subject
      } }
    }]
  })
}

resource "aws_iam_role_policy" "pods" {
  for_each = { for name, one in local.accounts : name => one if local.pods }
  name     = "what-it-does"
  role     = aws_iam_role.pods[each.key].id
  policy   = jsonencode({ Version = "2012-10-17", Statement = each.value.statements })
}
