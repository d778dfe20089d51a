"""The lab: data sets, any-subset fusion models, training, and benchmarks in which a leak is an error.

Nothing outside this room imports torch. ``moodal.lab.data`` and ``moodal.lab.bench`` need only numpy;
scikit-learn's estimators and our models need ``pip install 'moodal[lab]'``.
"""
