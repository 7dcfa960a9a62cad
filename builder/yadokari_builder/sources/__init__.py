"""Where files come from: the build context, git, the web; and what an instruction takes of them."""
