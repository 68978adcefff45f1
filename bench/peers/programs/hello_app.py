"""The least that FastAPI can answer: what a route costs before it does anything."""

from fastapi import FastAPI

app = FastAPI()


@app.get("/hello")
async def hello() -> dict[str, str]:
    """Answer."""
    return {"hello": "world"}
