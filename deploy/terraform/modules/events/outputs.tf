output "queue" {
  description = "The queue as the function and the daemon's configuration name it."
  value       = { region = var.region, url = aws_sqs_queue.requests.url }
}

output "dead_letters_url" {
  description = "Where whatever could not be delivered or taken lies."
  value       = aws_sqs_queue.dead_letters.url
}
