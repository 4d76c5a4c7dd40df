"""Queues of SQS: how long a received message stays hidden, and thousands of messages at a time.

How long a message is hidden runs on real time: on a frozen clock a message would be lost. A test that must
see a message come again cannot wait for a minute, so `message_hidden_secs_max` cuts it short for everybody.

moto counts every message of a queue for each one that is sent, received or deleted, several times over: with
five thousand on a queue one batch takes a second. Whatever only asks for settings is not told the counts here,
and a message is looked for from the front, where what was received lately stands.
"""

import threading
import time

import moto.sqs.models
from moto.sqs.exceptions import ReceiptHandleIsInvalid
from moto.sqs.models import Message, Queue, SQSBackend

from .world import World


class Queues:
    """Installs itself over moto's messages."""

    def __init__(self, world: World):
        self.world = world
        self.asked = threading.local()

    def install(self) -> None:
        world, hide = self.world, Message.change_visibility

        def change_visibility(message: Message, visibility_timeout: int) -> None:
            hide(message, min(int(visibility_timeout), int(world.settings.message_hidden_secs_max)))

        Message.change_visibility = change_visibility
        moto.sqs.models.unix_time_millis = lambda: time.time() * 1000
        self._count_only_when_asked()
        Queue.delete_message = delete_message
        SQSBackend.is_message_valid_based_on_retention_period = is_kept

    def _count_only_when_asked(self) -> None:
        asked, all_of = self.asked, Queue.attributes.fget
        answer = SQSBackend.get_queue_attributes

        def attributes(queue: Queue) -> dict:
            # What else reads them asks for the settings of a FIFO queue.
            return all_of(queue) if queue.fifo_queue or getattr(asked, "now", False) else {}

        def get_queue_attributes(backend: SQSBackend, *args, **kwargs) -> dict:
            asked.now = True
            try:
                return answer(backend, *args, **kwargs)
            finally:
                asked.now = False

        Queue.attributes = property(attributes)
        SQSBackend.get_queue_attributes = get_queue_attributes


def delete_message(queue: Queue, receipt_handle: str) -> None:
    if receipt_handle in queue.deleted_messages:
        return
    for place, message in enumerate(queue._messages):
        if message.had_receipt_handle(receipt_handle):
            del queue._messages[place]
            queue.pending_messages.discard(message)
            queue.deleted_messages.update(message.all_receipt_handles)
            return
    raise ReceiptHandleIsInvalid()


def is_kept(backend: SQSBackend, queue_name: str, message: Message) -> bool:
    queue = backend.get_queue(queue_name)
    return queue.message_retention_period + message.sent_timestamp / 1000 > time.time()
