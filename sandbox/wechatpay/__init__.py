"""WeChat Pay v3 as a merchant meets it: orders, refunds, certificates and signed notices."""
