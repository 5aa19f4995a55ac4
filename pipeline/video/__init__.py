"""One video: its reference in a page, probing, scene cuts, clips, frames, subtitles."""
