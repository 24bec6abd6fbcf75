"""What programs say when they fail, translated: tables of lines, causes and fixes, and a reader."""
