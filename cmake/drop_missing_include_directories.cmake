# SPDX-License-Identifier: Apache-2.0

# The targets of ROS packages that were installed by pip name include folders of the machine that built the wheels, and
# CMake refuses folders that do not exist. Drops such folders from the imported targets of this directory; their own
# headers stay reachable, because the other folders of each target stay. Finds nothing to do on an apt installation.
function(drop_missing_include_directories)
  get_property(targets DIRECTORY PROPERTY IMPORTED_TARGETS)
  foreach(target ${targets})
    get_target_property(directories ${target} INTERFACE_INCLUDE_DIRECTORIES)
    if(NOT directories)
      continue()
    endif()
    set(kept "")
    foreach(directory ${directories})
      if(NOT IS_ABSOLUTE "${directory}" OR EXISTS "${directory}")
        list(APPEND kept "${directory}")
      endif()
    endforeach()
    set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${kept}")
  endforeach()
endfunction()
