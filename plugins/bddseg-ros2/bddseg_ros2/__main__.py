"""`python -m bddseg_ros2` runs the node."""

import sys

from bddseg_ros2.node import main

sys.exit(main())
