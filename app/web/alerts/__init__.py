"""Alerts while a site is served: somebody whom a kept search looks for was seen again.

`delivery.py`: looks, and takes what is found to each place at least once. `webhook.py`: as signed HTTP requests.
`home_assistant.py`: over MQTT. `form.py`: where to, as an administrator enters it.
"""
