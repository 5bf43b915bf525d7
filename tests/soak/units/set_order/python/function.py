"""Insert strings into an unbalanced tree in the order of a set."""

WORDS = {f"word{number}" for number in range(600)}


def handler(event, context):
    """Return the depth of the tree."""
    root, deepest = None, 0
    for word in WORDS:
        if root is None:
            root = [word, None, None]
            continue
        node, depth = root, 1
        while True:
            side = 1 if word < node[0] else 2
            depth += 1
            if node[side] is None:
                node[side] = [word, None, None]
                break
            node = node[side]
        deepest = max(deepest, depth)
    return {"words": len(WORDS), "deep": deepest > 0}
