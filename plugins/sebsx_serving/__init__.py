"""How to scale one function that serves a model: threads or replicas, wider or more, and what each costs."""
