"""Real servers for the tests: a Home Assistant and an InfluxDB, installed once for each user and started by fixtures.

`install` (run by `make servers`) puts them into the user's cache, `home_assistant` and `influxdb` start them there.
The fixtures that hand them to tests are in `tests/conftest.py`.
"""
