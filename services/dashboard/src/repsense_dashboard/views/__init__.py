"""The pages, one module each with a function `show`; app.py puts them into the navigation.

Not called `pages`: Streamlit would take every module of a folder of that name beside app.py for a script of its own,
and run it when its address is the first that a browser asks for.
"""
