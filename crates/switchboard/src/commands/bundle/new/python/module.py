"""The functions of the bundle NAME."""


def hello(name):
    return f"Hello {name}!"
