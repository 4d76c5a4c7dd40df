# One of the policies in deploy/iam, narrowed to an account. The file is the only place where a permission
# stands; nothing here can add one.

terraform {
  required_version = ">= 1.11"
}

variable "file" {
  description = "The policy as it is shipped, a path."
  type        = string
}

variable "account" {
  description = "The account, twelve digits, that takes the place of a `*` in ARNs."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account))
    error_message = "An account is twelve digits."
  }
}

variable "regions" {
  description = "The regions that take the place of a `*` in ARNs."
  type        = list(string)
}

variable "resources" {
  description = "What stands for the reference application in the file, and what stands there instead. A statement that allows something on nothing is left out."
  type        = map(list(string))
}

variable "narrow" {
  description = "For allowed actions on `*`: the resources of those that begin so, such as `s3:`."
  type        = map(list(string))
  default     = {}
}

variable "effects" {
  description = "Which statements are taken."
  type        = set(string)
  default     = ["Allow", "Deny"]
}

locals {
  shipped = [for one in jsondecode(file(var.file)).Statement : {
    sid       = one.Sid
    effect    = one.Effect
    actions   = flatten([one.Action])
    these     = can(one.Resource) ? flatten([one.Resource]) : null
    all_but   = can(one.NotResource) ? flatten([one.NotResource]) : null
    condition = try(jsonencode(one.Condition), null)
  } if contains(var.effects, one.Effect)]

  named = distinct(flatten([for one in local.shipped : concat(coalesce(one.these, []), coalesce(one.all_but, []))]))

  # `*` for region and account says more than is meant as soon as both are known. ARNs of global things have an
  # empty region.
  narrowed = { for arn in local.named : arn => contains(keys(var.resources), arn) ? var.resources[arn] : (
    can(regex("^arn:aws:[a-z0-9-]+:\\*:\\*:", arn))
    ? [for region in var.regions : replace(arn, ":*:*:", ":${region}:${var.account}:")]
    : [replace(arn, "::*:", "::${var.account}:")]
  ) }

  # Allowed on everything: what can be told apart by its service is.
  wide = [for one in local.shipped : one if one.effect == "Allow" && try(one.these == ["*"], false) && length(var.narrow) > 0]
  split = concat(
    [for one in local.shipped : one if !contains([for wide in local.wide : wide.sid], one.sid)],
    flatten([for one in local.wide : concat(
      [merge(one, {
        actions = [for action in one.actions : action if !anytrue([for prefix in keys(var.narrow) : startswith(action, prefix)])]
      })],
      [for prefix, arns in var.narrow : merge(one, {
        sid     = "${one.sid}${title(replace(prefix, "/[^a-z0-9]/", ""))}"
        actions = [for action in one.actions : action if startswith(action, prefix)]
        direct  = arns
      })],
    )]),
  )

  statements = [for one in local.split : {
    Sid       = one.sid
    Effect    = one.effect
    Action    = one.actions
    these     = try(one.direct, one.these == null ? null : distinct(flatten([for arn in one.these : local.narrowed[arn]])))
    all_but   = one.all_but == null ? null : distinct(flatten([for arn in one.all_but : local.narrowed[arn]]))
    condition = one.condition
  }]

  # A denial of all but nothing is one of everything.
  written = [for one in local.statements : merge(
    { Sid = one.Sid, Effect = one.Effect, Action = one.Action },
    one.all_but == null ? { Resource = one.these } : {},
    one.all_but != null && try(length(one.all_but) > 0, false) ? { NotResource = one.all_but } : {},
    one.all_but != null && try(length(one.all_but) == 0, false) ? { Resource = ["*"] } : {},
    one.condition == null ? {} : { Condition = jsondecode(one.condition) },
  ) if length(one.Action) > 0 && try(length(one.these) > 0, one.all_but != null)]

  # Whatever still speaks of the reference application, where nobody said what stands there instead.
  left = [for arn in local.named : arn if !contains(keys(var.resources), arn)
  && anytrue([for word in ["covet", "123456789012", "999988887777"] : strcontains(lower(arn), word)])]
}

output "statements" {
  description = "What is left of the policy: its statements, as JSON."
  value       = jsonencode(local.written)

  precondition {
    condition     = length(local.left) == 0
    error_message = "`${basename(var.file)}` names `${try(local.left[0], "")}`: say in `resources` what stands there instead."
  }
}

output "allows" {
  description = "The actions that it allows on something."
  value       = sort(distinct(flatten([for one in local.written : one.Action if one.Effect == "Allow"])))
}
