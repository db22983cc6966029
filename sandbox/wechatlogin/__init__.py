"""WeChat's own servers, as far as they tell an app who somebody is: logins, consents, openids."""
