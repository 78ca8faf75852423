"""The order desk's own code, which its agent calls."""

from __future__ import annotations

ORDERS = {"A-17": "It comes tomorrow.", "B-2": "It is being packed."}


class OrderDesk:
    """``cancelled`` has the orders that are no more."""

    def __init__(self) -> None:
        self.cancelled: list[str] = []

    async def order_status(self, order_id: str) -> str:
        return ORDERS.get(order_id, "There is no such order.")

    async def cancel_order(self, order_id: str, reason: str = "") -> dict[str, str]:
        self.cancelled.append(order_id)
        return {"order": order_id, "state": "cancelled", "reason": reason}
