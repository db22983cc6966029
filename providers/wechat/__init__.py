"""WeChat Pay v3: orders shown as a code or opened inside WeChat, refunds, signed notices."""
